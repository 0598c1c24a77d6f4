using Microsoft.Extensions.Logging;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Plugins;

namespace PluginServer.Supervision;

/// <summary>The one consumer of every wish to change the running host: a file, a signal, a person.</summary>
internal sealed class Reloader(Server server, string file, ChangeWatcher? watcher, ILogger log, TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim _one = new(1, 1);
    private readonly Dictionary<string, (string Sha256, IReadOnlyList<ConfigError> Errors)> _refused = new(StringComparer.Ordinal);
    private volatile Refusal _refusal = new([], []);
    private IReadOnlyList<ConfigError> _refusedTls = [];
    private string? _refusedText;

    /// <summary>Turns false the moment a stop begins.</summary>
    public bool IsReady => server.IsReady;

    /// <summary>Why the present files do not run; empty when they do.</summary>
    public IReadOnlyList<ConfigError> Errors => _refusal.Errors;

    public ServerStatus Status() => StatusReport.Of(server, file, _refusal, time.GetUtcNow());

    /// <summary>Applies plugins.json and changed plugins now. Never throws.</summary>
    public Task<ReloadOutcome> ReloadAsync() => OneAtATimeAsync(() => ApplyFilesAsync(asked: true));

    /// <summary>The same because files have changed: what was refused and is still the same is not tried again.</summary>
    public Task<ReloadOutcome> FilesChangedAsync() => OneAtATimeAsync(() => ApplyFilesAsync(asked: false));

    /// <summary>Applies changes of files as the watcher tells of them, until it is disposed. Never fails.</summary>
    public async Task FollowAsync()
    {
        while (watcher is not null && await watcher.Changes.WaitToReadAsync())
        {
            if (watcher.Changes.TryRead(out _))
            {
                await FilesChangedAsync();
            }
        }
    }

    /// <summary>Back to the build that served before. Never throws.</summary>
    public Task<ReloadOutcome> RollbackAsync(string plugin) => OneAtATimeAsync(async () =>
    {
        var position = server.Config.Position.Child("plugins").Child(plugin);
        if (server.Plugin(plugin)?.Active is not { } active)
        {
            return Rejected([position.Error($"no plugin {plugin} serves; there is {string.Join(", ", server.Plugins.Where(known => known.Active is not null).Select(known => known.Name))}")]);
        }

        if (server.Before(plugin, active.Build.Sha256) is not { } before)
        {
            return Rejected([position.Error($"there is no build of plugin {plugin} to go back to: none served before {active.Build.Sha256}")]);
        }

        var builds = server.Plugins.Where(known => known.Active is not null).ToDictionary(known => known.Name, known => known.Active!.Build, StringComparer.Ordinal);
        builds[plugin] = before;
        var result = await server.TryApplyAsync(server.Config, builds, rolledBackTo: before.Sha256);
        if (result.Errors.Count == 0)
        {
            server.Record(() => server.History.MarkRolledBack(plugin, active.Build.Sha256));
            server.Events.Publish(HostEventKind.RolledBack, $"from build {active.Build.Sha256} to {before.Sha256}", plugin, server.Plugin(plugin)!.Active!.Number);
        }

        else
        {
            server.Swaps.Count(plugin, SwapCounters.Rejected);
        }

        return Outcome(result.Changes, result.Errors);
    });

    /// <summary>Waits for a change that is under way, lets no further one in, and stops the host.</summary>
    public async Task<int> StopAsync(string signal, CancellationToken cutNow)
    {
        await _one.WaitAsync(cutNow).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return await server.StopAsync(signal, cutNow);
    }

    public void Dispose() => _one.Dispose();

    private async Task<ReloadOutcome> OneAtATimeAsync(Func<Task<ReloadOutcome>> change)
    {
        await _one.WaitAsync();
        try
        {
            return await change();
        }
        catch (Exception error)
        {
            // A bug of ours must not end the host's ability to change.
            return Rejected([server.Config.Position.Error($"unexpected: {error}")]);
        }
        finally
        {
            _one.Release();
        }
    }

    private async Task<ReloadOutcome> ApplyFilesAsync(bool asked)
    {
        var read = ConfigReader.Read(file);
        var wanted = read.Config ?? server.Config;
        var text = File.Exists(file) ? await File.ReadAllTextAsync(file) : "";

        // Before anything is read of the folders, so that no change in between is lost; what a rejected edit names is watched too.
        watcher?.Watch(file, wanted.PluginDirectory, [.. wanted.Endpoints.Concat(server.Config.Endpoints).Select(endpoint => endpoint.Plugin).Distinct()], [.. wanted.CredentialFiles.Union(server.Config.CredentialFiles)]);

        // A certificate that cannot be used keeps only its own endpoint as it is.
        var tls = server.LoadTls(wanted);
        var next = tls.Usable(wanted, server.Config);
        var builds = server.Choose(next);
        var kept = !asked && text == _refusedText ? KeepRefused(builds) : [];

        List<string> changes = [];
        List<ConfigError> errors = [.. read.Errors, .. asked ? tls.Errors : tls.Errors.Except(_refusedTls)];
        var result = await server.TryApplyAsync(next, builds, tls);
        if (result.Errors.Count > 0 && result.Errors.All(error => kept.Any(name => result.Failed.TryGetValue(name, out var failed) && failed.Errors.Contains(error))))
        {
            // A pin forbids what serves to stand in for what was refused: the edit waits as a whole, and the other plugins do not.
            result = await server.TryApplyAsync(server.Config, builds, tls);
        }

        changes.AddRange(result.Changes);
        errors.AddRange(result.Errors);
        if (result.Errors.Count > 0)
        {
            Remember(result, text);
            changes.AddRange(await ApplyTheRestAsync(next, builds, tls, result));
        }
        else if (read.Errors.Count == 0)
        {
            Forget(builds, kept, text);
        }

        // What is not tried again is as wrong as it was, but has been said.
        List<ConfigError> wrong = [.. errors.Union(tls.Errors), .. kept.SelectMany(name => _refused[name].Errors)];
        _refusedTls = tls.Errors;
        if (wrong.Count == 0 && changes.Count == 0 && _refusal.Errors.Count > 0)
        {
            Log.PutRight(log, server.Revision);
            server.Events.Publish(HostEventKind.Applied, $"revision {server.Revision} goes on: what was rejected has been put right");
        }

        _refusal = new Refusal(wrong, wrong.Count == 0 ? [] : [Path.GetFullPath(file), .. result.Failed.Keys.Concat(kept).Select(name => Path.Combine(next.PluginDirectory, name)), .. tls.WaitsFor]);
        return Outcome(changes, errors);
    }

    /// <summary>A plugin that cannot be used must not keep the others from changing, nor an edit that needs it the plugins that do not.</summary>
    private async Task<IReadOnlyList<string>> ApplyTheRestAsync(ServerConfig next, Dictionary<string, PluginBuild> builds, PreparedTls tls, ApplyResult refused)
    {
        foreach (var name in refused.Failed.Keys)
        {
            if (server.Plugin(name)?.Active is { } active)
            {
                builds[name] = active.Build;
            }
        }

        var rest = await server.TryApplyAsync(next, builds, tls);
        return rest.Errors.Count == 0 || next == server.Config ? rest.Changes : (await server.TryApplyAsync(server.Config, builds, tls)).Changes;
    }

    /// <summary>Says whose build was refused and is still the same; what serves goes on in its place.</summary>
    private List<string> KeepRefused(Dictionary<string, PluginBuild> builds)
    {
        List<string> kept = [];
        foreach (var (name, refused) in _refused)
        {
            if (builds.GetValueOrDefault(name)?.Sha256 == refused.Sha256 && server.Plugin(name)?.Active is { } active)
            {
                builds[name] = active.Build;
                kept.Add(name);
            }
        }

        return kept;
    }

    private void Remember(ApplyResult result, string text)
    {
        _refusedText = text;
        foreach (var (name, (build, errors)) in result.Failed)
        {
            _refused[name] = (build?.Sha256 ?? "", errors);
            server.Swaps.Count(name, SwapCounters.Rejected);
            server.Plugin(name)?.Fail(build?.Sha256 ?? "", string.Join(Environment.NewLine, errors), time.GetUtcNow());
        }
    }

    private void Forget(Dictionary<string, PluginBuild> builds, List<string> kept, string text)
    {
        _refusedText = text;
        foreach (var name in _refused.Keys.Except(kept).Where(name => builds.GetValueOrDefault(name)?.Sha256 != _refused[name].Sha256).ToList())
        {
            _refused.Remove(name);
            server.Plugin(name)?.ClearError();
        }

        // What was refused at the start.
        foreach (var plugin in server.Plugins.Where(plugin => plugin.LastError is not null && !_refused.ContainsKey(plugin.Name) && builds.GetValueOrDefault(plugin.Name)?.Sha256 == plugin.Active?.Build.Sha256))
        {
            plugin.ClearError();
        }
    }

    private ReloadOutcome Outcome(IReadOnlyList<string> changes, IReadOnlyList<ConfigError> errors)
    {
        if (changes.Count > 0)
        {
            Log.Applied(log, server.Revision, string.Join("; ", changes));
        }

        return errors.Count > 0 ? Rejected(errors, changes) : new ReloadOutcome(true, server.Revision, changes, []);
    }

    private ReloadOutcome Rejected(IReadOnlyList<ConfigError> errors, IReadOnlyList<string>? changes = null)
    {
        var text = string.Join("; ", errors);
        Log.Rejected(log, server.Revision, text);
        server.Events.Publish(HostEventKind.Rejected, text);
        return new ReloadOutcome(false, server.Revision, changes ?? [], errors);
    }
}
