using System.Collections.Concurrent;
using System.Net;
using Microsoft.Extensions.Logging;
using PluginServer.Configuration;
using PluginServer.Networking;
using PluginServer.Supervision;

namespace PluginServer.Tests.Support;

/// <summary>A host in this process on a workspace, its log kept for the test.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly Workspace _workspace;
    private readonly LogKeeper _log;
    private readonly ChangeWatcher? _watcher;
    private bool _stopped;
    private bool _keep;

    private TestServer(Server server, Workspace workspace, LogKeeper log, TimeProvider time, ChangeWatcher? watcher)
    {
        Server = server;
        Reloader = new Reloader(server, workspace.ConfigFile, watcher, log, time);
        _workspace = workspace;
        _log = log;
        _watcher = watcher;
        _ = Reloader.FollowAsync();
    }

    public Reloader Reloader { get; }

    public Server Server { get; }

    public Workspace Workspace => _workspace;

    public IReadOnlyCollection<string> Log => _log.Lines;

    /// <summary>Lets go of the lines so far, which take memory.</summary>
    public void ForgetLog() => _log.Lines.Clear();

    public static async Task<TestServer> StartAsync(Workspace workspace, TimeProvider? time = null, Transport? transport = null, bool keep = false, bool watch = false)
    {
        var read = ConfigReader.Read(workspace.ConfigFile);
        Assert.That(read.Errors, Is.Empty);
        var log = new LogKeeper();
        var clock = time ?? TimeProvider.System;
        var watcher = watch ? new ChangeWatcher(clock, log) : null;
        watcher?.Watch(workspace.ConfigFile, read.Config!.PluginDirectory, [.. read.Config.Endpoints.Select(endpoint => endpoint.Plugin)], read.Config.CredentialFiles);
        var server = await Server.StartAsync(read.Config!, log, clock, Transports.Of(transport ?? DefaultTransport.Create(clock))).Within();
        return new TestServer(server, workspace, log, clock, watcher) { _keep = keep };
    }

    /// <summary>A host with one endpoint, "test", on any port.</summary>
    public static Task<TestServer> StartAsync(string plugin, string? handler = null, string more = "") =>
        StartAsync(new Workspace().With(plugin).Configure($$"""[{ "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "{{plugin}}"{{(handler is null ? "" : $", \"handler\": \"{handler}\"")}}{{more}} }]"""));

    public Endpoint Endpoint(string name = "test") => Server.Endpoints.Single(endpoint => endpoint.Name == name);

    public Task<Client> ConnectAsync(string endpoint = "test", CancellationToken? patience = null) =>
        Client.ConnectAsync(new IPEndPoint(IPAddress.Loopback, Endpoint(endpoint).Port), patience);

    /// <summary>Nothing is left of any connection: no registration, no lease, no place.</summary>
    public async Task AssertNothingLeftAsync()
    {
        foreach (var endpoint in Server.Endpoints)
        {
            await Deadline.UntilAsync(() => endpoint.Connections.Count == 0, () => $"registrations back to 0: {string.Join(", ", endpoint.Connections.All.Select(left => $"{left.RemoteEndPoint} {left.Transport.End}, {left.Transport.BytesReceived} in, {left.Transport.BytesSent} out"))}");

            // Each acceptor has one place, for the connection to come.
            await Deadline.UntilAsync(() => endpoint.Places.Taken <= endpoint.Config.Acceptors, "endpoint places back to 0");
        }

        await Deadline.UntilAsync(() => Server.Places.Taken == 0, "host places back to 0");
        foreach (var generation in Server.Generations)
        {
            await Deadline.UntilAsync(() => generation.Leases == 0, "leases back to 0");
        }
    }

    public async Task<int> StopAsync(CancellationToken cutNow = default)
    {
        _stopped = true;
        return await Reloader.StopAsync("test", cutNow).Within();
    }

    public async ValueTask DisposeAsync()
    {
        await (_watcher?.DisposeAsync() ?? ValueTask.CompletedTask);
        if (!_stopped)
        {
            await StopAsync(new CancellationToken(canceled: true));
        }

        // Whatever the test has done to it: accepted = active + ended, in every host of every test.
        Scrape.Of(Server).AssertBalanced();
        Reloader.Dispose();
        Server.Dispose();
        if (!_keep)
        {
            _workspace.Dispose();
        }
    }

    private sealed class LogKeeper : ILoggerFactory, ILogger
    {
        public ConcurrentQueue<string> Lines { get; } = [];

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public ILogger CreateLogger(string categoryName) => this;

        public void Dispose()
        {
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Enqueue($"{logLevel} {eventId.Id}: {formatter(state, exception)}");
    }
}
