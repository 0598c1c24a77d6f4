namespace PluginServer.Configuration;

/// <summary>How an endpoint moves bytes, as <c>transport</c> says.</summary>
internal enum TransportKind
{
    /// <summary>Epoll on Linux, sockets elsewhere.</summary>
    Auto,

    Epoll,

    Sockets,
}
