using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>Business logic is swapped in a running host: nothing refused, nothing broken, the old version provably gone.</summary>
internal sealed class SwapTests
{
    private const string Endpoint = """{ "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" }""";

    private readonly Workspace _workspace = new();

    [SetUp]
    public void Fill() => _workspace.With("Swap").Version("one").Configure($"[ {Endpoint} ]");

    [Test]
    public async Task A_new_build_serves_new_connections_and_the_old_ones_keep_theirs()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        using var old = await server.ConnectAsync();
        await AssertVersionAsync(old, "one");

        _workspace.Version("two");
        var outcome = await server.Reloader.ReloadAsync().Within();
        Assert.That(outcome.Accepted, Is.True);
        Assert.That(outcome.Revision, Is.EqualTo(2));
        Assert.That(outcome.Changes, Has.One.StartsWith("plugin Swap: generation 1 -> 2 "));

        using var fresh = await server.ConnectAsync();
        await AssertVersionAsync(fresh, "two");
        await AssertVersionAsync(old, "one");
        Assert.That(server.Server.Generations.Select(generation => (generation.Number, generation.State, generation.Leases)), Is.EqualTo(new[] { (2, GenerationState.Active, 1), (1, GenerationState.Draining, 1) }));

        old.SendFin();
        await Deadline.UntilAsync(() => server.Server.Generations[1].State == GenerationState.Unloaded, "the old build is unloaded");
        await AssertVersionAsync(fresh, "two");
    }

    [Test]
    public async Task Unchanged_files_change_nothing()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        File.SetLastWriteTimeUtc(Path.Combine(_workspace.PluginFolder("Swap"), "Swap.dll"), DateTime.UtcNow);
        var outcome = await server.Reloader.ReloadAsync().Within();
        Assert.That(outcome.Accepted, Is.True);
        Assert.That(outcome.Changes, Is.Empty);
        Assert.That(outcome.Revision, Is.EqualTo(1));
        Assert.That(server.Server.Generations, Has.Count.EqualTo(1));
    }

    /// <summary>200 swaps under load at full size; each connection is answered by one version from first to last byte.</summary>
    [Test]
    [Category("Long")]
    public async Task Swaps_under_load_refuse_nothing_break_nothing_and_leave_the_listener_alone()
    {
        var swaps = int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_SWAPS"), out var size) ? size : 10;
        await using var server = await TestServer.StartAsync(_workspace);
        var port = server.Endpoint().LocalEndPoint.Port;
        var inode = ListenInode(port);
        using var stop = new CancellationTokenSource();
        var living = Enumerable.Range(0, 64).Select(_ => Task.Run(() => PingPongAsync(server, stop.Token))).ToList();
        var churn = Enumerable.Range(0, 4).Select(_ => Task.Run(() => ChurnAsync(server, stop.Token))).ToList();

        // Over pings and connections that really take place between two swaps.
        for (var swap = 0; swap < swaps; swap++)
        {
            var accepted = server.Endpoint().Counters.Accepted;
            _workspace.Version(swap % 2 == 0 ? "two" : "one");
            var outcome = await server.Reloader.ReloadAsync().Within();
            Assert.That(outcome.Errors, Is.Empty);
            Assert.That(outcome.Changes, Has.Count.EqualTo(1));
            await Deadline.UntilAsync(() => server.Endpoint().Counters.Accepted > accepted + 20, "connections go on");
        }

        await stop.CancelAsync();
        await Task.WhenAll(living).Within();
        var served = (await Task.WhenAll(churn).Within()).Sum();
        Assert.That(served, Is.GreaterThan(swaps * 20));
        Assert.That(ListenInode(port), Is.EqualTo(inode), "the listening socket is the same");
        Assert.That(server.Endpoint().Counters.HandlerFaults, Is.Zero);
        await server.AssertNothingLeftAsync();
        await Deadline.UntilAsync(() => server.Server.Generations.Skip(1).All(generation => generation.State == GenerationState.Unloaded), "every replaced generation is unloaded");
        TestContext.Out.WriteLine($"{swaps} swaps, {served} connections beside 64 that lived through all of them");
    }

    [Test]
    public async Task Four_generations_live_at_once_and_each_finishes_in_its_own_version()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        var clients = new List<(string Version, Client Client)>();
        foreach (var version in new[] { "one", "two", "three", "four" })
        {
            _workspace.Version(version);
            Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
            for (var count = 0; count < 10; count++)
            {
                clients.Add((version, await server.ConnectAsync()));
                await AssertVersionAsync(clients[^1].Client, version);
            }
        }

        Assert.That(server.Server.Generations.Count(generation => generation.Leases == 10), Is.EqualTo(4));
        foreach (var (version, client) in clients)
        {
            await AssertVersionAsync(client, version);
            client.SendFin();
            Assert.That(await client.ReadTextToEndAsync(), Is.Empty, "without a drainTimeout nobody is told");
            client.Dispose();
        }

        await Deadline.UntilAsync(() => server.Server.Generations.Count(generation => generation.State == GenerationState.Unloaded) == 3, "three are gone");
    }

    [Test]
    public async Task With_a_drain_timeout_connections_are_told_at_the_swap_and_cut_at_the_deadline()
    {
        var time = new ManualTime();
        _workspace.Configure(
            """
            [ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" },
              { "name": "deaf", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "DeafHandler" } ]
            """,
            """{ "Swap": { "drainTimeout": "00:00:20" } }""");
        await using var server = await TestServer.StartAsync(_workspace, time);
        using var polite = await server.ConnectAsync();
        await AssertVersionAsync(polite, "one");
        using var deaf = await server.ConnectAsync("deaf");
        Assert.That(await deaf.ReadLineAsync(), Is.EqualTo("one"));

        _workspace.Version("two");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        Assert.That(await polite.ReadLineAsync(), Is.EqualTo("told"));
        var old = server.Server.Generations[1];
        Assert.That(old.DrainDeadline, Is.Not.Null);
        time.Advance(TimeSpan.FromSeconds(19));
        Assert.That(deaf.Socket.Poll(0, System.Net.Sockets.SelectMode.SelectRead), Is.False, "not before the deadline");
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.That(await deaf.EndsInResetAsync(), Is.True);
        polite.SendFin();
        await Deadline.UntilAsync(() => old.Leases == 0, "all of them have ended");
        using var fresh = await server.ConnectAsync();
        await AssertVersionAsync(fresh, "two");
    }

    [Test]
    public async Task An_edit_adds_removes_and_changes_endpoints_and_touches_only_those()
    {
        _workspace.With("Echo").Configure("""
            [ { "name": "stays", "address": "127.0.0.1", "port": 0, "plugin": "Echo" },
              { "name": "handler", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" },
              { "name": "limits", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" },
              { "name": "goes", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" } ]
            """);
        await using var server = await TestServer.StartAsync(_workspace);
        var ports = server.Server.Endpoints.ToDictionary(endpoint => endpoint.Name, endpoint => endpoint.LocalEndPoint.Port);
        using var stays = await server.ConnectAsync("stays");
        using var handler = await server.ConnectAsync("handler");
        await AssertVersionAsync(handler, "one");
        using var goes = await server.ConnectAsync("goes");
        await AssertVersionAsync(goes, "one");

        _workspace.Configure("""
            [ { "name": "new one", "address": "127.0.0.1", "port": 0, "plugin": "Echo" },
              { "name": "stays", "address": "127.0.0.1", "port": 0, "plugin": "Echo" },
              { "name": "new two", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "DashHandler" },
              { "name": "handler", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "DashHandler" },
              { "name": "limits", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler", "maxConnections": 7, "backlog": 100, "readLimit": 5000 } ]
            """);
        var outcome = await server.Reloader.ReloadAsync().Within();
        Assert.That(outcome.Changes, Is.EquivalentTo(new[]
        {
            "endpoint new one added on 127.0.0.1:0",
            "endpoint new two added on 127.0.0.1:0",
            "endpoint handler: handler: VersionHandler -> DashHandler",
            "endpoint limits: backlog: 4096 -> 100",
            "endpoint limits: maxConnections: 10000 -> 7",
            "endpoint limits: readLimit: 1048576 -> 5000",
            "endpoint goes removed from 127.0.0.1:0",
        }));

        Assert.That(await goes.ReadLineAsync(), Is.EqualTo("told"), "a removal drains");
        Assert.That(server.Server.Endpoints.Where(endpoint => ports.ContainsKey(endpoint.Name)).All(endpoint => endpoint.LocalEndPoint.Port == ports[endpoint.Name]), Is.True);
        Assert.That(server.Endpoint("limits").Places.Limit, Is.EqualTo(7));
        await stays.SendAsync("alive\n");
        Assert.That(await stays.ReadLineAsync(), Is.EqualTo("alive"));
        await AssertVersionAsync(handler, "one");
        using var dash = await server.ConnectAsync("handler");
        await dash.SendAsync("x\n");
        Assert.That(await dash.ReadLineAsync(), Is.EqualTo("one-x"));
        using var added = await server.ConnectAsync("new two");
        await added.SendAsync("y\n");
        Assert.That(await added.ReadLineAsync(), Is.EqualTo("one-y"));
        Assert.That(server.Server.Generations, Has.Count.EqualTo(2), "no new generation for any of that");
    }

    [Test]
    public async Task New_plugin_settings_are_a_new_generation_of_the_same_build()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        _workspace.Configure($"[ {Endpoint} ]", """{ "Swap": { "settings": { "a": 1 } } }""");
        var outcome = await server.Reloader.ReloadAsync().Within();
        Assert.That(outcome.Changes, Has.Some.EqualTo("plugin Swap: settings").And.Some.StartsWith("plugin Swap: generation 1 -> 2"));
    }

    private static async Task AssertVersionAsync(Client client, string version)
    {
        await client.SendAsync("ping\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo($"{version} ping"));
    }

    private static string ListenInode(int port) => File.ReadLines("/proc/net/tcp")
        .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .Single(fields => fields[1].EndsWith($":{port:X4}", StringComparison.Ordinal) && fields[3] == "0A")[9];

    private static async Task PingPongAsync(TestServer server, CancellationToken stop)
    {
        using var client = await server.ConnectAsync();
        string? version = null;
        for (var number = 0; !stop.IsCancellationRequested; number++)
        {
            await client.SendAsync($"{number}\n");
            var answer = (await client.ReadLineAsync()).Split(' ');
            version ??= answer[0];
            Assert.That(answer, Is.EqualTo(new[] { version, $"{number}" }));
        }
    }

    private static async Task<int> ChurnAsync(TestServer server, CancellationToken stop)
    {
        var served = 0;
        for (; !stop.IsCancellationRequested; served++)
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync("a\nb\n");
            client.SendFin();
            var lines = (await client.ReadTextToEndAsync()).Split('\n');
            var version = lines[0].Split(' ')[0];
            Assert.That(lines, Is.EqualTo(new[] { $"{version} a", $"{version} b", "" }));
        }

        return served;
    }
}
