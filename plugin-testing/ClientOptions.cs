using System.Net;

namespace PluginServer.Testing;

/// <summary>How a <see cref="TestClient"/> connects, and what is wrong with its network.</summary>
public sealed record ClientOptions
{
    /// <summary>The handler receives at most so many bytes at a time, however they were sent: 1 is each byte by itself. 0 leaves them as written.</summary>
    /// <remarks>Over loopback each piece is sent when the host has received the one before, so a send ends only when the handler reads.</remarks>
    public int SegmentSize { get; init; }

    /// <summary>Where the client comes from: in memory any address, over loopback one of 127.0.0.0/8. Null is 127.0.0.1 with a port of its own.</summary>
    public IPEndPoint? From { get; init; }

    /// <summary>Sends a PROXY header first; the endpoint needs <c>"proxyProtocol"</c> for it.</summary>
    public ProxyVersion Proxy { get; init; }

    /// <summary>The source that the PROXY header names.</summary>
    public IPEndPoint ProxySource { get; init; } = new(IPAddress.Parse("192.0.2.1"), 50_000);

    /// <summary>Speaks TLS. Null does where the host was loaded with <see cref="PluginHostOptions.Tls"/>; false then sends plain text to an endpoint that expects TLS.</summary>
    public bool? Tls { get; init; }

    /// <summary>The host name that is asked for in TLS.</summary>
    public string HostName { get; init; } = "localhost";
}
