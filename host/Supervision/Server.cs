using Microsoft.Extensions.Logging;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;
using PluginServer.Plugins;

namespace PluginServer.Supervision;

/// <summary>The running host: its endpoints and the generations behind them, from start to stop.</summary>
internal sealed class Server : IDisposable
{
    private readonly ILogger _log;
    private readonly TimeProvider _time;
    private readonly StateDirectory _state;
    private readonly List<RunningEndpoint> _running = [];
    private readonly List<PluginGeneration> _generations = [];

    private Server(ServerConfig config, StateDirectory state, TimeProvider time, ILogger log)
    {
        Config = config;
        _state = state;
        _time = time;
        _log = log;
        Places = new Places(config.MaxConnections ?? HostLimit.FromOpenFiles());
    }

    public ServerConfig Config { get; }

    /// <summary>The limit over all endpoints.</summary>
    public Places Places { get; }

    /// <summary>True while new clients are welcome: turns false the moment a stop begins, before accepting ends.</summary>
    public bool IsReady { get; private set; }

    public IEnumerable<Endpoint> Endpoints => _running.Select(running => running.Endpoint);

    public IReadOnlyList<PluginGeneration> Generations => _generations;

    /// <summary>Prepares everything that can fail, then begins to accept everywhere.</summary>
    /// <exception cref="StartException">Something is wrong; nothing was left running and no port open.</exception>
    public static async Task<Server> StartAsync(ServerConfig config, ILoggerFactory logs, TimeProvider time, Transport transport)
    {
        var log = logs.CreateLogger(Log.Category);
        var state = StateDirectory.Claim(config.StateDirectory);
        var prepared = new PluginPreparation(new PluginStore(state.Path), logs, time).Prepare(config);
        var server = new Server(config, state, time, log);
        var endpoints = new List<Endpoint>();
        if (prepared.Errors.Count == 0)
        {
            await server.StartServicesAsync(prepared);
            server.Bind(prepared, transport, endpoints);
        }

        if (prepared.Errors.Count > 0)
        {
            endpoints.ForEach(endpoint => endpoint.Dispose());
            await Task.WhenAll(prepared.Generations.Values.Select(generation => generation.StopAsync()));
            prepared.Discard();
            server.Dispose();
            throw new StartException([.. prepared.Errors.Select(error => error.ToString())]);
        }

        server.Commit(prepared, endpoints);
        return server;
    }

    /// <summary>Logs what serves where: apart from the start, so that a person's table can come first.</summary>
    public void LogServing()
    {
        foreach (var generation in _generations)
        {
            Log.GenerationLoaded(_log, generation.Build.Name, generation.Version, generation.Build.Sha256, generation.Number);
        }

        foreach (var endpoint in Endpoints)
        {
            var binding = endpoint.Slot.Current!;
            Log.EndpointListens(_log, endpoint.Name, endpoint.Address, binding.Generation.Build.Name, binding.Handler, binding.Generation.Number);
        }

        Log.Serving(_log, _running.Count, _generations.Count, Places.Limit);
    }

    /// <summary>Not ready at once; accepts for <c>shutdownDelay</c> more, drains every endpoint within <c>shutdownTimeout</c>,
    /// cuts what is left then or when <paramref name="cutNow"/> is cancelled, and stops the plugins' services.</summary>
    /// <returns>How many connections were cut.</returns>
    public async Task<int> StopAsync(string signal, CancellationToken cutNow)
    {
        IsReady = false;
        Log.Stopping(_log, signal, Config.ShutdownDelay);
        await Task.Delay(Config.ShutdownDelay, _time, cutNow).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Log.Draining(_log, Endpoints.Sum(endpoint => endpoint.Connections.Count), Config.ShutdownTimeout);
        using var timeout = new CancellationTokenSource(Config.ShutdownTimeout, _time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cutNow);
        var cut = (await Task.WhenAll(_running.Select(running => running.DrainAsync(deadline.Token)))).Sum();
        if (cut > 0)
        {
            Log.ConnectionsCut(_log, cut);
        }

        await Task.WhenAll(_generations.Select(generation => generation.StopAsync()));
        Log.Stopped(_log);
        return cut;
    }

    public void Dispose()
    {
        _running.ForEach(running => running.Dispose());
        _state.Dispose();
    }

    private async Task StartServicesAsync(PreparedPlugins prepared)
    {
        foreach (var (name, generation) in prepared.Generations)
        {
            try
            {
                await generation.Loaded.StartAsync();
            }
            catch (PluginException problem)
            {
                var endpoint = Config.Endpoints.First(endpoint => endpoint.Plugin == name);
                prepared.Errors.Add(endpoint.Position["plugin"].Error(problem.Message));
            }
        }
    }

    private void Bind(PreparedPlugins prepared, Transport transport, List<Endpoint> endpoints)
    {
        var runner = new ConnectionRunner(_time);
        foreach (var config in Config.Endpoints)
        {
            try
            {
                endpoints.Add(new Endpoint(config, Listener.Bind(config, transport), prepared.Bindings[config.Name], transport, runner, _log));
            }
            catch (ListenException problem)
            {
                prepared.Errors.Add(config.Position["port"].Error(problem.Message));
            }
        }
    }

    private void Commit(PreparedPlugins prepared, List<Endpoint> endpoints)
    {
        var supervisor = new Supervisor(_time, _log);
        _generations.AddRange(prepared.Generations.Values);
        _running.AddRange(endpoints.Select(endpoint => new RunningEndpoint(endpoint, () => new Acceptor(endpoint, Places, _time, _log), supervisor, _time)));
        IsReady = true;
    }
}
