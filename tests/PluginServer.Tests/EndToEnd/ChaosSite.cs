using System.Net;
using PluginServer.Networking;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>The host of a chaos run: honest endpoints, misbehaving ones, and what may be edited of each.</summary>
internal sealed class ChaosSite : IAsyncDisposable
{
    /// <summary>No more than so many are ever allowed inside at the same time.</summary>
    public const int CrowdLimit = 40;

    public static readonly string[] Honest = ["lines", "dashes", "echo"];
    public static readonly string[] Faulty = ["at once", "null", "from second", "orders", "bounded", "floods", "unreading"];

    /// <summary>Everything whose clients expect nothing.</summary>
    public static readonly string[] Exposed = [.. Faulty, "crowd"];

    private static readonly (string Name, string Plugin, string Handler)[] Endpoints =
    [
        ("lines", "Swap", "VersionHandler"), ("dashes", "Swap", "DashHandler"), ("echo", "Echo", "EchoHandler"), ("crowd", "Swap", "CrowdHandler"),
        ("at once", "Misbehaving", "AtOnceHandler"), ("null", "Misbehaving", "NullHandler"), ("from second", "Misbehaving", "FromSecondHandler"),
        ("orders", "Misbehaving", "OrderHandler"), ("bounded", "Misbehaving", "BoundedHandler"), ("floods", "Misbehaving", "FloodHandler"),
        ("unreading", "Misbehaving", "UnreadingHandler"),
    ];

    private readonly Transport _real;

    private ChaosSite(Workspace workspace, CountingTime time, Transport real, PortTransport transport) =>
        (Workspace, Time, _real, Transport) = (workspace, time, real, transport);

    public Workspace Workspace { get; }

    public CountingTime Time { get; }

    public PortTransport Transport { get; }

    public TestServer Host { get; private set; } = null!;

    public Dictionary<string, ChaosLimits> Limits { get; } = Endpoints.ToDictionary(endpoint => endpoint.Name, endpoint => ChaosLimits.Calm(endpoint.Name));

    public int? HostLimit { get; set; }

    public int RentedBlocks => _real.RentedBlocks();

    public static async Task<ChaosSite> StartAsync()
    {
        var time = new CountingTime();
        var real = DefaultTransport.Create(time);
        var site = new ChaosSite(new Workspace().With("Swap", "Misbehaving", "Echo").Version("1"), time, real, new PortTransport(real, time));
        site.Configure();
        site.Host = await TestServer.StartAsync(site.Workspace, time, site.Transport, keep: true);
        return site;
    }

    public Endpoint Endpoint(string name) => Host.Endpoint(name);

    public RunningEndpoint Running(string name) => Host.Server.Running.Single(running => running.Endpoint.Name == name);

    public IPEndPoint Address(string name) => new(IPAddress.Loopback, Endpoint(name).Port);

    /// <summary>For a failure's text.</summary>
    public string Describe(string name) =>
        $"{ChaosInvariants.Describe(Endpoint(name))}; {Running(name).State}, places {Endpoint(name).Places.Taken} of {Endpoint(name).Places.Limit}, of the host {Host.Server.Places.Taken} of {Host.Server.Places.Limit}, {Limits[name]}; inside: {string.Join(", ", Endpoint(name).Connections.All.Select(inside => $"{inside.RemoteEndPoint} received {inside.Transport.BytesReceived} sent {inside.Transport.BytesSent} wire {inside.Transport.Wire.Bytes} {inside.Transport.End}"))}; pool {ThreadPool.ThreadCount} threads, {ThreadPool.PendingWorkItemCount} pending";

    public FaultyTransport Faults(string name) => Transport.Of(Endpoint(name).Port);

    /// <summary>Writes what the limits are now, and has it applied.</summary>
    public Task<ReloadOutcome> ApplyAsync()
    {
        Configure();
        return Host.Reloader.ReloadAsync().Within();
    }

    /// <summary>No fault is planned any more, every endpoint accepts, and the limits are the first ones.</summary>
    public async Task CalmAsync()
    {
        foreach (var name in Limits.Keys.ToList())
        {
            var faults = Faults(name);
            (faults.AcceptDelay, faults.ReadDelay, faults.ReadAtMost, faults.SmallSendBuffer, faults.ResetAfter) = (default, default, 0, false, 0);
            faults.StopFailing();
            Limits[name] = ChaosLimits.Calm(name);
        }

        HostLimit = null;
        Assert.That((await ApplyAsync()).Errors, Is.Empty, "the files as they are in the end");
        foreach (var running in Host.Server.Running)
        {
            // A failed endpoint is tried at once.
            running.Pause();
            running.Resume();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        Workspace.Dispose();
    }

    private void Configure() => Workspace.Configure(
        $"[{string.Join(",\n", Endpoints.Select(endpoint => $$"""{ "name": "{{endpoint.Name}}", "address": "127.0.0.1", "port": 0, "plugin": "{{endpoint.Plugin}}", "handler": "{{endpoint.Handler}}", {{Limits[endpoint.Name]}} }"""))}]",
        more: HostLimit is { } limit ? $"\"maxConnections\": {limit}," : "");
}

/// <summary>What an edit may change of an endpoint while it runs.</summary>
internal sealed record ChaosLimits(int MaxConnections, string Overflow, int Acceptors, int Backlog, TimeSpan? Idle, TimeSpan? Lifetime)
{
    public static ChaosLimits Calm(string endpoint) => new(endpoint == "crowd" ? ChaosSite.CrowdLimit : 2000, "queue", 1, 4096, null, null);

    public override string ToString() =>
        $"\"maxConnections\": {MaxConnections}, \"overflow\": \"{Overflow}\", \"acceptors\": {Acceptors}, \"backlog\": {Backlog}, \"idleTimeout\": {Text(Idle)}, \"maxLifetime\": {Text(Lifetime)}";

    private static string Text(TimeSpan? time) => time is { } some ? $"\"{some:c}\"" : "null";
}
