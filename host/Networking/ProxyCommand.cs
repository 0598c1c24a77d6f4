namespace PluginServer.Networking;

/// <summary>On whose behalf the sender of a PROXY header has connected.</summary>
internal enum ProxyCommand
{
    /// <summary>On its own, as for a health check: the ends of the connection are the real ones.</summary>
    Local,

    /// <summary>On a client's.</summary>
    Proxy,
}
