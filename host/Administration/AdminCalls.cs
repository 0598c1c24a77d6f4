using PluginServer.Supervision;

namespace PluginServer.Administration;

/// <summary>What the administration endpoint asks of the running host.</summary>
/// <param name="IsReady">Whether new clients are welcome.</param>
/// <param name="Status">What the host is doing.</param>
/// <param name="ReloadAsync">Applies what has changed.</param>
/// <param name="RollbackAsync">Takes a plugin back to the build before.</param>
internal sealed record AdminCalls(
    Func<bool> IsReady,
    Func<ServerStatus> Status,
    Func<Task<ReloadOutcome>> ReloadAsync,
    Func<string, Task<ReloadOutcome>> RollbackAsync)
{
    public static AdminCalls Of(Reloader reloader) => new(() => reloader.IsReady, reloader.Status, reloader.ReloadAsync, reloader.RollbackAsync);
}
