namespace PluginServer.Testing;

/// <summary>How the host ended a connection.</summary>
public enum ClientEnd
{
    /// <summary>In order: the handler returned, or completed its output.</summary>
    Fin,

    /// <summary>By a reset: the handler failed or aborted, or the host cut it.</summary>
    Reset,
}
