namespace PluginServer.Networking;

/// <summary>What the first bytes of a connection are.</summary>
internal enum ProxyVerdict
{
    /// <summary>So far they may become a PROXY header.</summary>
    NeedsMore,

    /// <summary>Something else, from the first byte on.</summary>
    Absent,

    /// <summary>A whole PROXY header.</summary>
    Complete,

    /// <summary>They begin like a PROXY header and are none; what follows means nothing, and the connection is to be closed.</summary>
    Broken,
}
