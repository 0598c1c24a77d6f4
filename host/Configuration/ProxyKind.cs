namespace PluginServer.Configuration;

/// <summary>Whether a PROXY header with the real client's address comes before the client's own bytes.</summary>
internal enum ProxyKind
{
    /// <summary>Nobody is asked for one, and what looks like one is the client's own.</summary>
    Off,

    /// <summary>Who begins with one is taken at its word, if it is trusted; who does not is served as itself.</summary>
    Optional,

    /// <summary>Without one, and from anybody who is not trusted, nothing is served.</summary>
    Required,
}
