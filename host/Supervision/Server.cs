using System.Collections.Concurrent;
using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;
using PluginServer.Plugins;

namespace PluginServer.Supervision;

/// <summary>The running host: its endpoints, the plugins behind them, and the one way in which they change.</summary>
/// <remarks>Changes come one at a time, from <see cref="Reloader"/>; everything else may be read from any thread.</remarks>
internal sealed partial class Server : IDisposable
{
    private readonly ConcurrentDictionary<string, RunningPlugin> _plugins = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<RunningEndpoint, Task<int>> _leaving = new();
    private readonly DescriptorReserve _descriptors = DescriptorReserve.OfProcess();
    private readonly LastingObjects _lasting = new(static () => new ConnectionGroups());
    private readonly PluginPreparation _preparation;
    private readonly ConnectionRunner _runner;
    private readonly StateDirectory _state;
    private readonly Telemetry _telemetry;
    private readonly Transports _transports;
    private readonly TimeProvider _time;
    private readonly ILogger _log;

    // Read once: a commit must not fail where descriptors have run out.
    private readonly int? _openFiles = HostLimit.OpenFiles();
    private ImmutableArray<RunningEndpoint> _running = [];

    private Server(ServerConfig config, StateDirectory state, ILoggerFactory logs, TimeProvider time, Transports transports)
    {
        _state = state;
        _time = time;
        _transports = transports;
        _log = logs.CreateLogger(Log.Category);
        _runner = new ConnectionRunner(time);
        Store = new PluginStore(state.Path);
        History = new BuildHistory(state.Path);
        Events = new EventStream(time);
        Instruments = new Instruments(StatusReport.Version, family => MetricsReport.Points(this, family));
        _telemetry = new Telemetry(_log, new StormLog(_log, Events, time), Events, Instruments);
        _preparation = new PluginPreparation(Store, logs, Events, time, _lasting, _telemetry);
        Config = config with { Endpoints = [] };
        Places = new Places(config.MaxConnections ?? HostLimit.From(_openFiles));
        StartedAt = time.GetUtcNow();
    }

    /// <summary>What runs.</summary>
    public ServerConfig Config { get; private set; }

    /// <summary>Counts the changes that were applied; 1 is the start.</summary>
    public int Revision { get; private set; }

    public DateTimeOffset StartedAt { get; }

    public PluginStore Store { get; }

    public BuildHistory History { get; }

    /// <summary>What happens to the host as a whole.</summary>
    public EventStream Events { get; }

    /// <summary>What tools for .NET listen to.</summary>
    public Instruments Instruments { get; }

    /// <summary>What became of the builds of each plugin.</summary>
    public SwapCounters Swaps { get; } = new();

    /// <summary>The limit over all endpoints.</summary>
    public Places Places { get; }

    /// <summary>True while new clients are welcome: turns false the moment a stop begins, before accepting ends.</summary>
    public bool IsReady { get; private set; }

    /// <summary>Those that plugins.json names now; one that was removed may still drain.</summary>
    public IReadOnlyList<RunningEndpoint> Running => _running;

    /// <summary>Those that plugins.json does not name any more, and that still drain.</summary>
    public IEnumerable<RunningEndpoint> Leaving => _leaving.Keys;

    public IEnumerable<Endpoint> Endpoints => _running.Select(running => running.Endpoint);

    /// <summary>Every connection, those of endpoints that leave included.</summary>
    public IEnumerable<ServedConnection> Inside => _running.Concat(_leaving.Keys).SelectMany(static running => running.Endpoint.Connections.All);

    public IEnumerable<RunningPlugin> Plugins => _plugins.Values.OrderBy(plugin => plugin.Name, StringComparer.Ordinal);

    public IReadOnlyList<PluginGeneration> Generations => [.. Plugins.SelectMany(plugin => plugin.Generations)];

    public RunningPlugin? Plugin(string name) => _plugins.GetValueOrDefault(name);

    /// <summary>What a plugin keeps for all its connections, for as long as this host lives.</summary>
    public PluginState StateOf(string plugin) => _lasting.Of(plugin).State;

    /// <summary>Prepares everything that can fail, then begins to accept everywhere. A plugin whose present build cannot be
    /// used is served, loudly, by a build that served before.</summary>
    /// <exception cref="StartException">Something is wrong; nothing was left running and no port open.</exception>
    public static async Task<Server> StartAsync(ServerConfig config, ILoggerFactory logs, TimeProvider time, Transports transports)
    {
        BackgroundCollection.Enable();
        var server = new Server(config, StateDirectory.Claim(config.StateDirectory), logs, time, transports);
        var builds = server.Choose(config);
        var tls = server.LoadTls(config);
        var result = await server.TryApplyAsync(config, builds, tls);
        var refused = new Dictionary<string, (PluginBuild? Build, IReadOnlyList<ConfigError> Errors)>(StringComparer.Ordinal);
        while (result.Errors.Count > 0 && server.FallBack(result, builds))
        {
            foreach (var (name, failed) in result.Failed)
            {
                refused.TryAdd(name, failed);
            }

            result = await server.TryApplyAsync(config, builds, tls);
        }

        if (result.Errors.Count > 0)
        {
            server.Dispose();
            throw new StartException([.. result.Errors.Select(error => error.ToString())]);
        }

        // What serves in its place must not look as if it were what lies in the folder.
        foreach (var (name, (build, errors)) in refused)
        {
            server.Plugin(name)?.Fail(build?.Sha256 ?? "", string.Join(Environment.NewLine, errors), time.GetUtcNow());
        }

        server.IsReady = true;
        return server;
    }

    /// <summary>Logs what serves where: apart from the start, so that a person's table can come first.</summary>
    public void LogServing()
    {
        foreach (var endpoint in Endpoints)
        {
            var binding = endpoint.Slot.Current!;
            Log.EndpointListens(_log, endpoint.Name, endpoint.Address, binding.Generation.Build.Name, binding.Handler, binding.Generation.Number);
            if (endpoint.Credentials is { } credentials)
            {
                Log.EndpointSpeaksTls(_log, endpoint.Name, credentials.Describe());
            }
        }

        Log.Serving(_log, _running.Length, _plugins.Count, Places.Limit);
    }

    /// <summary>What the <c>tls</c> sections of a configuration name, as it lies on disk now.</summary>
    public PreparedTls LoadTls(ServerConfig config) => PreparedTls.Load(config, _time.GetUtcNow(), [.. Endpoints]);

    public void Dispose()
    {
        foreach (var running in _running.Concat(_leaving.Keys))
        {
            running.Dispose();
        }

        _calendar?.Dispose();
        _telemetry.Storms.Dispose();
        Instruments.Dispose();
        _state.Dispose();
        _transports.Dispose();
    }
}
