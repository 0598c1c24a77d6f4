using PluginServer.Diagnostics;
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
    public async Task Whoever_follows_sees_each_step()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        _workspace.Version("two");
        await server.Reloader.ReloadAsync().Within();
        await File.WriteAllTextAsync(_workspace.ConfigFile, "{");
        await server.Reloader.ReloadAsync().Within();
        await server.Reloader.RollbackAsync("Swap").Within();
        await Deadline.UntilAsync(() => server.Server.Events.Last.Count(happened => happened.Kind == HostEventKind.Unloaded) == 2, "both are gone");
        var told = server.Server.Events.Last.Select(happened => (happened.Kind, happened.Generation)).ToList();
        Assert.That(told.Where(happened => happened.Kind is not (HostEventKind.Retired or HostEventKind.Unloaded)), Is.EqualTo(new (HostEventKind, int?)[]
        {
            (HostEventKind.Applied, null), (HostEventKind.Swapped, 2), (HostEventKind.Applied, null), (HostEventKind.Rejected, null), (HostEventKind.Swapped, 3), (HostEventKind.Applied, null), (HostEventKind.RolledBack, 3),
        }));
        foreach (var replaced in new[] { 1, 2 })
        {
            Assert.That(told.FindIndex(happened => happened == (HostEventKind.Retired, replaced)), Is.InRange(0, told.FindIndex(happened => happened == (HostEventKind.Unloaded, replaced))));
        }
    }

    [Test]
    public async Task What_cannot_be_written_down_does_not_stop_a_swap_or_a_rollback()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        Directory.CreateDirectory(Path.Combine(_workspace.Root, "state", "plugins", "Swap", "builds.json.new"));
        _workspace.Version("two");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Accepted, Is.True);
        Assert.That(server.Log, Has.One.Contains("What serves was not written down"));
        using var fresh = await server.ConnectAsync();
        await AssertVersionAsync(fresh, "two");
        Assert.That((await server.Reloader.RollbackAsync("Swap").Within()).Accepted, Is.True);
        using var back = await server.ConnectAsync();
        await AssertVersionAsync(back, "one");
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
        var ports = server.Server.Endpoints.ToDictionary(endpoint => endpoint.Name, endpoint => endpoint.Port);
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
        Assert.That(server.Server.Endpoints.Where(endpoint => ports.ContainsKey(endpoint.Name)).All(endpoint => endpoint.Port == ports[endpoint.Name]), Is.True);
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
}
