using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;
using PluginServer.Plugins;

namespace PluginServer.Supervision;

/// <content>One change: PREPARE, which may fail and leaves everything as it was; COMMIT, which cannot; RETIRE, in the background.</content>
internal sealed partial class Server
{
    /// <summary>Makes the host run a configuration with these builds. All of it or, with errors, nothing.</summary>
    /// <param name="next">What is to run.</param>
    /// <param name="builds">By plugin.</param>
    /// <param name="tls">Certificates that were loaded for it. Where they cannot be used, or there are none, an endpoint keeps those that it has for the same files.</param>
    /// <param name="rolledBackTo">Hash of the build that a person goes back to, if one does.</param>
    public async Task<ApplyResult> TryApplyAsync(ServerConfig next, IReadOnlyDictionary<string, PluginBuild> builds, PreparedTls? tls = null, string? rolledBackTo = null)
    {
        var prepared = CleanContext.Run(() => _preparation.Prepare(next, new PresentPlugins(_plugins, Bound), builds));
        var credentials = Credentials(next, tls ?? PreparedTls.None, prepared.Errors);
        var opened = new List<Endpoint>();
        if (prepared.Errors.Count == 0)
        {
            await prepared.StartAsync(next, _time);
        }

        if (prepared.Errors.Count == 0)
        {
            Open(next, prepared, opened);
        }

        if (prepared.Errors.Count > 0)
        {
            opened.ForEach(endpoint => endpoint.Dispose());
            await prepared.DiscardAsync();
            return new ApplyResult(prepared.Errors, prepared.Failed, []);
        }

        List<string> changes = [.. ConfigDiff.Lines(Config, next), .. prepared.Generations.Values.Select(Describe), .. Endpoints.SelectMany(endpoint => Renewed(endpoint, credentials))];
        Take(next, credentials, opened);
        if (changes.Count > 0)
        {
            Commit(next, prepared, opened, rolledBackTo);
            Events.Publish(HostEventKind.Applied, $"revision {Revision}: {string.Join("; ", changes)}");
            Record(() =>
            {
                foreach (var (name, generation) in prepared.Generations)
                {
                    History.MarkServed(name, generation.Build.Sha256);
                }

                // Here and not when a generation is gone: a preparation under way may just be reading what would be removed.
                CleanStore();
            });
        }

        return new ApplyResult([], prepared.Failed, changes);
    }

    private static long Sum(ServerConfig config) => config.Endpoints.Sum(endpoint => (long)endpoint.MaxConnections);

    private (EndpointConfig Config, HandlerBinding Binding)? Bound(string identity) =>
        Endpoints.FirstOrDefault(endpoint => endpoint.Config.Identity == identity) is { } endpoint ? (endpoint.Config, endpoint.Slot.Current!) : null;

    private string Describe(PluginGeneration generation) =>
        $"plugin {generation.Build.Name}: generation {(Plugin(generation.Build.Name)?.Active is { } active ? $"{active.Number} -> {generation.Number}" : generation.Number)} ({generation.Version}, sha256 {generation.Build.Sha256})";

    private void Open(ServerConfig next, PreparedPlugins prepared, List<Endpoint> opened)
    {
        var present = Endpoints.Select(endpoint => endpoint.Config.Identity).ToHashSet(StringComparer.Ordinal);
        foreach (var config in next.Endpoints.Where(config => config.UnixOwner is not null))
        {
            _ = SocketOwner.Parse(config.UnixOwner, out var fault);
            if (fault is not null)
            {
                prepared.Errors.Add(config.Position["unixOwner"].Error(fault));
            }
        }

        foreach (var config in next.Endpoints.Where(config => prepared.Errors.Count == 0 && !present.Contains(config.Identity)))
        {
            try
            {
                opened.Add(new Endpoint(config, Listener.Bind(config, _transports.For(config.Transport), _transports.Systemd), prepared.Bindings[config.Name], _transports, _runner, Places, _time, _descriptors, _telemetry));
            }
            catch (ListenException problem)
            {
                var own = Endpoints.FirstOrDefault(endpoint => config.Port != 0 && endpoint.Port == config.Port);
                prepared.Errors.Add(config.Position[config.ListensOnKey].Error(own is null
                    ? problem.Message
                    : $"{config.ListensOn} overlaps {own.Address}, on which endpoint {own.Name} of this host listens; take that one away first, in an edit of its own"));
            }
        }
    }

    private void Commit(ServerConfig next, PreparedPlugins prepared, List<Endpoint> opened, string? rolledBackTo)
    {
        Places.Limit = next.MaxConnections ?? HostLimit.From(_openFiles);
        if (Sum(next) is var sum && sum != Sum(Config) && sum > _openFiles)
        {
            Log.LimitsExceedFiles(_log, sum, _openFiles.Value, Places.Limit);
        }

        Config = next;
        foreach (var generation in prepared.Generations.Values.Concat(prepared.Kept.Values))
        {
            generation.DispatchBy(next.Plugin(generation.Build.Name).Dispatch);
        }

        foreach (var generation in Generations)
        {
            generation.LogFrom(next.Plugin(generation.Build.Name).LogLevel);
        }

        var kept = new List<RunningEndpoint>();
        foreach (var running in _running)
        {
            if (next.Endpoints.FirstOrDefault(config => config.Identity == running.Endpoint.Config.Identity) is { } config)
            {
                running.Update(config);
                running.Endpoint.ServeBy(prepared.Bindings[config.Name]);
                kept.Add(running);
            }
            else
            {
                _leaving[running] = LeaveAsync(running, next.ShutdownTimeout);
            }
        }

        kept.AddRange(opened.Select(endpoint => new RunningEndpoint(endpoint, () => new Acceptor(endpoint, Places, _time, _telemetry), _time, _telemetry)));
        _running = [.. next.Endpoints.Select(config => kept.First(running => running.Endpoint.Config == config))];
        Revision++;
        foreach (var (plugin, generation) in Activate(next, prepared, rolledBackTo))
        {
            _ = RetireAsync(generation, next.Plugin(plugin.Name).DrainTimeout);
        }
    }

    /// <summary>Tells the plugins which generation serves now; says which ones were replaced.</summary>
    private List<(RunningPlugin Plugin, PluginGeneration Generation)> Activate(ServerConfig next, PreparedPlugins prepared, string? rolledBackTo)
    {
        var replaced = new List<(RunningPlugin, PluginGeneration)>();
        foreach (var (name, generation) in prepared.Generations)
        {
            var plugin = _plugins.GetOrAdd(name, static name => new RunningPlugin(name));
            plugin.Reached(generation.Number);
            Swaps.Loaded(name, generation.LoadTime);
            Instruments.LoadDuration.Record(generation.LoadTime.TotalSeconds, Tag.Plugin(name));
            Log.GenerationLoaded(_log, name, generation.Version, generation.Build.Sha256, generation.Number);
            if (plugin.Activate(generation) is { } old)
            {
                replaced.Add((plugin, old));
                Swaps.Count(name, generation.Build.Sha256 == rolledBackTo ? SwapCounters.RolledBack : SwapCounters.Swapped);
                Events.Publish(HostEventKind.Swapped, $"generation {old.Number} -> {generation.Number} ({generation.Version}, sha256 {generation.Build.Sha256})", name, generation.Number);
            }
        }

        var used = next.Endpoints.Select(endpoint => endpoint.Plugin).ToHashSet(StringComparer.Ordinal);
        replaced.AddRange(_plugins.Values.Where(plugin => plugin.Active is not null && !used.Contains(plugin.Name)).Select(plugin => (plugin, plugin.Activate(null)!)));
        return replaced;
    }

    /// <summary>Writes to the state directory what the host should know after a restart. A full disk costs only that.</summary>
    public void Record(Action write)
    {
        try
        {
            write();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Log.NotRecorded(_log, _state.Path, error.Message);
        }
    }

    private async Task<int> LeaveAsync(RunningEndpoint running, TimeSpan timeout)
    {
        using var deadline = new CancellationTokenSource(timeout, _time);
        var cut = await running.LeaveAsync(deadline.Token);

        // Its binding would hold the generation for as long as somebody holds the endpoint.
        running.Endpoint.Slot.Exchange(null);
        Log.EndpointRemoved(_log, running.Endpoint.Name, running.Endpoint.Address, cut);
        _leaving.TryRemove(running, out _);
        return cut;
    }

    private async Task RetireAsync(PluginGeneration generation, TimeSpan? drainTimeout)
    {
        var retirement = generation.RetireAsync();
        if (drainTimeout is { } timeout)
        {
            generation.DrainUntil(_time.GetUtcNow() + timeout);
            ForEachConnectionSet(connections => connections.Drain(generation));
            await generation.LastLeaseReturned.WaitAsync(timeout, _time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            ForEachConnectionSet(connections => connections.Cut("the host cut it: the drainTimeout of its plugin is over", generation));
        }

        await retirement;
    }

    private void ForEachConnectionSet(Action<ConnectionSet> action)
    {
        foreach (var running in _running.Concat(_leaving.Keys))
        {
            action(running.Endpoint.Connections);
        }
    }
}
