namespace PluginServer.Testing;

/// <summary>What the connections of a <see cref="PluginHost"/> run over.</summary>
public enum PluginTransport
{
    /// <summary>Within the process: no kernel in between, and the client may have any address.</summary>
    Memory,

    /// <summary>Loopback TCP by System.Net.Sockets: what <c>"transport": "sockets"</c> is.</summary>
    Sockets,

    /// <summary>Loopback TCP by the host's epoll loop, on whose thread handlers run: what <c>"transport": "epoll"</c> is. Linux only.</summary>
    Epoll,
}
