namespace PluginServer.Configuration;

/// <summary>When an edit of a key takes effect, and on what.</summary>
internal enum ConfigChange
{
    /// <summary>It has no effect on the host.</summary>
    None,

    /// <summary>For an object: as each of its members says.</summary>
    ByMember,

    /// <summary>At once, for every connection or for those that come.</summary>
    Live,

    /// <summary>In place on the listening socket.</summary>
    InPlace,

    /// <summary>From the next connection on.</summary>
    NextConnection,

    /// <summary>A new generation of the plugin.</summary>
    NewGeneration,

    /// <summary>Another address opens a socket, the new one before the old one closes.</summary>
    OpensSocket,

    /// <summary>When the host starts next.</summary>
    NextStart,
}
