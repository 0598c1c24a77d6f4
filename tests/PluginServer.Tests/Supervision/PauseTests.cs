using System.Net;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>Stopping and starting to accept, while the socket stays open.</summary>
internal sealed class PauseTests
{
    [Test]
    public async Task Clients_of_a_paused_endpoint_wait_and_are_served_after_the_resume()
    {
        var transport = new HookedTransport(TimeProvider.System);
        await using var server = await StartAsync(transport);
        using var inside = await server.ConnectAsync();
        await AskAsync(inside, "none");
        for (var round = 0; round < 3; round++)
        {
            Pause(server);
            Assert.That(State(server), Is.EqualTo("paused"));
            await Deadline.UntilAsync(() => transport.Waiting == 0, "no accept is under way");
            using var waiting = await server.ConnectAsync();
            await waiting.SendAsync("early\n");
            await AskAsync(inside, "none");
            Assert.That(server.Endpoint().Connections.Count, Is.EqualTo(1));
            Assert.That(server.Endpoint().Places.Taken, Is.EqualTo(1), "the acceptor's place came back");
            Running(server).Resume();
            Running(server).Resume();
            Assert.That(State(server), Is.EqualTo("listening"));
            Assert.That(await waiting.ReadLineAsync(), Is.EqualTo("none early"));
            waiting.SendFin();
            await Deadline.UntilAsync(() => server.Endpoint().Connections.Count == 1 && transport.Waiting == 2, "both accepts are under way");
        }

        Assert.That(server.Endpoint().Counters.AcceptorRestarts, Is.Zero, "nothing died");
        Assert.That(server.Log.Count(line => line.Contains("is paused", StringComparison.Ordinal)), Is.EqualTo(3), "twice is once");
    }

    [Test]
    public async Task It_stays_paused_over_a_swap_and_an_edit_and_the_new_build_serves_those_who_waited()
    {
        await using var server = await StartAsync(new HookedTransport(TimeProvider.System));
        Pause(server);
        using var waiting = await server.ConnectAsync();
        await waiting.SendAsync("hello\n");
        server.Workspace.Version("two");
        Assert.That((await server.Reloader.ReloadAsync()).Changes, Is.Not.Empty);
        await EditAsync(server, "\"acceptors\": 2", "\"acceptors\": 5, \"maxConnections\": 7");
        Assert.That(State(server), Is.EqualTo("paused"));
        Assert.That(server.Endpoint().Places.Taken, Is.Zero);
        Running(server).Resume();
        Assert.That(await waiting.ReadLineAsync(), Is.EqualTo("two hello"));
    }

    [Test]
    public async Task Who_waits_is_served_when_a_paused_endpoint_is_removed()
    {
        await using var server = await StartAsync(new HookedTransport(TimeProvider.System));
        var running = Running(server);
        Pause(server);
        using var waiting = await server.ConnectAsync();
        await EditAsync(server, "\"name\": \"test\"", "\"name\": \"another\"");
        Assert.That(await waiting.ReadTextToEndAsync(), Is.EqualTo("told\n"));
        Assert.That(running.State, Is.EqualTo(EndpointState.Draining));
        running.Resume();
        running.Pause();
        Assert.That(running.State, Is.EqualTo(EndpointState.Draining), "leaving is final");
        waiting.SendFin();
        await Deadline.UntilAsync(() => server.Log.Any(line => line.Contains("is removed; 0 connections were cut", StringComparison.Ordinal)), "it has left");
        Assert.That(await running.DrainAsync(TimeSpan.FromHours(1), CancellationToken.None).Within(), Is.EqualTo(new DrainOutcome(0, 0, 0, IsComplete: false)));
    }

    [Test]
    public async Task Who_waits_is_served_when_the_host_stops_and_the_port_is_free_then()
    {
        await using var server = await StartAsync(new HookedTransport(TimeProvider.System));
        Pause(server);
        using var waiting = await server.ConnectAsync();
        var stop = server.StopAsync();
        Assert.That(await waiting.ReadTextToEndAsync(), Is.EqualTo("told\n"));
        waiting.SendFin();
        Assert.That(await stop, Is.Zero);
        Ports.AssertFree((IPEndPoint)server.Endpoint().LocalEndPoint);
    }

    [Test]
    public async Task An_accept_that_waits_for_the_hosts_limit_is_handed_over_after_the_pause_and_no_second_one_comes_beside_it()
    {
        var transport = new HookedTransport(TimeProvider.System);
        await using var server = await TestServer.StartAsync(
            new Workspace().With("Swap").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" } ]""", more: "\"maxConnections\": 1,"),
            transport: transport);
        var inside = await server.ConnectAsync();
        await AskAsync(inside, "none");
        using var accepted = await server.ConnectAsync();
        await Deadline.UntilAsync(() => server.Endpoint().Places.Taken == 2 && transport.Waiting == 0, "accepted, and waiting for the host's limit");
        using var waiting = await server.ConnectAsync();
        for (var round = 0; round < 10; round++)
        {
            Running(server).Pause();
            Running(server).Resume();
            Assert.That(server.Endpoint().Places.Taken, Is.EqualTo(2));
        }

        Running(server).Pause();
        inside.Dispose();
        await AskAsync(accepted, "none");
        Assert.That(server.Endpoint().Places.Taken, Is.EqualTo(1));
        accepted.Dispose();
        Running(server).Resume();
        await AskAsync(waiting, "none");
    }

    private static Task<TestServer> StartAsync(HookedTransport transport) => TestServer.StartAsync(
        new Workspace().With("Swap").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "acceptors": 2, "plugin": "Swap", "handler": "VersionHandler" } ]"""),
        transport: transport);

    private static RunningEndpoint Running(TestServer server) => server.Server.Running.Single();

    private static string State(TestServer server) => server.Reloader.Status().Endpoints.Single().State;

    private static void Pause(TestServer server)
    {
        Running(server).Pause();
        Running(server).Pause();
    }

    private static async Task EditAsync(TestServer server, string what, string with)
    {
        var file = server.Workspace.ConfigFile;
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file)).Replace(what, with, StringComparison.Ordinal));
        var outcome = await server.Reloader.ReloadAsync();
        Assert.That(outcome.Accepted, Is.True, string.Join(' ', outcome.Errors));
        Assert.That(outcome.Changes, Is.Not.Empty);
    }

    private static async Task AskAsync(Client client, string version)
    {
        await client.SendAsync("hello\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo($"{version} hello"));
    }
}
