namespace PluginServer.Supervision;

/// <summary>The one consumer of every wish to change the running host: a file, a signal, a person.</summary>
internal sealed class Reloader
{
    /// <summary>Turns false the moment a stop begins.</summary>
    public bool IsReady => throw new NotSupportedException();

    public ServerStatus Status() => throw new NotSupportedException();

    /// <summary>Applies plugins.json and changed plugins now. Never throws.</summary>
    public Task<ReloadOutcome> ReloadAsync() => throw new NotSupportedException();

    /// <summary>Back to the build that served before. Never throws.</summary>
    public Task<ReloadOutcome> RollbackAsync(string plugin) => throw new NotSupportedException(plugin);
}
