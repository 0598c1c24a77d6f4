namespace PluginServer.Configuration;

/// <summary>Which threads run the handlers of a plugin, as <c>dispatch</c> says.</summary>
internal enum DispatchKind
{
    /// <summary>The socket loop, and threads of the generation's own while it keeps blocking.</summary>
    Auto,

    /// <summary>The socket loop, whatever it costs others.</summary>
    Inline,

    /// <summary>Threads of the generation's own.</summary>
    Own,
}
