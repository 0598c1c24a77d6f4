using System.Net;

namespace PluginServer.Configuration;

/// <summary>The administration endpoint.</summary>
internal sealed record AdminConfig
{
    /// <summary>Whether it listens; the control socket does in any case.</summary>
    public bool Enabled { get; init; } = true;

    public IPAddress Address { get; init; } = IPAddress.Loopback;

    /// <summary>0 takes any free port.</summary>
    public int Port { get; init; } = 7070;
}
