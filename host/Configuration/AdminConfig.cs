using System.Net;

namespace PluginServer.Configuration;

/// <summary>The administration endpoint.</summary>
internal sealed record AdminConfig
{
    /// <summary>Whether it listens; the control socket does in any case.</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Null is every address of the machine.</summary>
    public IPAddress? Address { get; init; } = IPAddress.Loopback;

    /// <summary>As in the configuration.</summary>
    public string AddressText => Address?.ToString() ?? "*";

    /// <summary>Whether it can be reached from this machine alone.</summary>
    public bool IsLocal => Address is not null && IPAddress.IsLoopback(Address);

    /// <summary>Null on plain HTTP, which is for loopback.</summary>
    public TlsConfig? Tls { get; init; }

    /// <summary>0 takes any free port.</summary>
    public int Port { get; init; } = 7070;
}
