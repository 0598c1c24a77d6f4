namespace PluginServer.Configuration;

/// <summary>How an endpoint moves bytes, as <c>transport</c> says.</summary>
internal enum TransportKind
{
    /// <summary>The best that this version has on this system.</summary>
    Auto,

    Epoll,

    Sockets,
}
