using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>What an accept error does, and what it does not.</summary>
internal sealed class AcceptorTests
{
    [Test]
    public async Task An_acceptor_that_dies_is_replaced_and_the_next_client_served()
    {
        var transport = new FaultyTransport();
        await using var server = await StartAsync(transport);
        using var before = await server.ConnectAsync();
        await AssertEchoAsync(before);

        transport.LoseNextAccepted(() => new InvalidOperationException("a bug of ours"));
        using var during = await server.ConnectAsync();
        await Deadline.UntilAsync(() => server.Endpoint().Counters.AcceptorRestarts > 0, "replaced");
        using var after = await server.ConnectAsync();
        await AssertEchoAsync(after);
        await AssertEchoAsync(before);
        Assert.That(server.Log, Has.Some.Contains("the acceptor failed and is replaced").And.Some.Contains("a bug of ours"));
        Assert.That(server.Endpoint().Places.Taken, Is.LessThanOrEqualTo(server.Endpoint().Connections.Count + 1), "the dead acceptor's place came back");
    }

    [TestCase(SocketError.TooManyOpenSockets)]
    [TestCase(SocketError.NoBufferSpaceAvailable)]
    [TestCase(SocketError.ConnectionAborted)]
    [TestCase(SocketError.AccessDenied)]
    public async Task An_accept_error_costs_no_other_connection_and_accepting_goes_on(SocketError error)
    {
        var transport = new FaultyTransport();
        await using var server = await StartAsync(transport);
        using var before = await server.ConnectAsync();
        await AssertEchoAsync(before);

        transport.LoseNextAccepted(() => new SocketException((int)error));
        using var during = await server.ConnectAsync();
        await Deadline.UntilAsync(() => server.Endpoint().Counters.AcceptErrors > 0, "counted");
        using var after = await server.ConnectAsync();
        await AssertEchoAsync(after);
        await AssertEchoAsync(before);
        Assert.That(server.Endpoint().Counters.AcceptorRestarts, Is.Zero);
    }

    [Test]
    public async Task Whoever_backs_off_does_so_alone_and_ends_it_when_somebody_leaves()
    {
        var time = new ManualTime();
        var transport = new FaultyTransport();
        await using var server = await StartShortAndBesideAsync(transport, time);
        using var leaves = await server.ConnectAsync("beside");
        await AssertEchoAsync(leaves);
        await FailUntilItBacksOffFor20MsAsync(transport, time);
        time.Advance(AcceptBackoff.First);
        await Deadline.UntilAsync(() => time.NextDue == TimeSpan.FromMilliseconds(15), "backs off for 20 ms");
        using var waiting = await server.ConnectAsync("short");
        using var beside = await server.ConnectAsync("beside");
        await AssertEchoAsync(beside);
        leaves.SendFin();

        // No time passes any more: the one who left has ended the wait.
        await AssertEchoAsync(waiting);
    }

    [Test]
    public async Task Whoever_backs_off_for_descriptors_looks_again_before_it_waits_for_somebody_to_leave()
    {
        var time = new ManualTime();
        var transport = new FaultyTransport();
        await using var server = await TestServer.StartAsync(
            new Workspace().With("Echo").Configure("""[ { "name": "short", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]"""),
            time,
            transport);
        await FailUntilItBacksOffFor20MsAsync(transport, time);
        using var waiting = await server.ConnectAsync("short");

        // The reserve is touched, and whoever touched it has gone unheard.
        server.Endpoint("short").Descriptors.Allows(int.MaxValue);
        time.Advance(AcceptBackoff.First);
        await AssertEchoAsync(waiting);
    }

    [Test]
    public async Task After_somebody_has_left_the_first_wait_is_short_again()
    {
        var time = new ManualTime();
        var transport = new FaultyTransport();
        await using var server = await StartShortAndBesideAsync(transport, time);
        using var leaves = await server.ConnectAsync("beside");
        await AssertEchoAsync(leaves);
        await FailUntilItBacksOffFor20MsAsync(transport, time);
        time.Advance(AcceptBackoff.First);
        await Deadline.UntilAsync(() => time.NextDue == TimeSpan.FromMilliseconds(15), "backs off for 20 ms");
        transport.FailAccepts(SocketError.TooManyOpenSockets, times: 1);
        leaves.SendFin();
        await Deadline.UntilAsync(() => transport.Failed == 1 && time.NextDue == AcceptBackoff.First, "fails once more");
        using var waiting = await server.ConnectAsync("short");
        time.Advance(AcceptBackoff.First);
        await AssertEchoAsync(waiting);
    }

    [Test]
    public async Task A_stop_while_the_machine_is_short_still_serves_who_waits_in_the_backlog()
    {
        var transport = new FaultyTransport();
        await using var server = await TestServer.StartAsync(
            new Workspace().With("Behaviours").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "PoliteHandler", "maxConnections": 1 } ]"""),
            transport: transport);
        using var inside = await server.ConnectAsync();
        Assert.That(await inside.ReadLineAsync(), Is.EqualTo("hello"));
        using var waiting = await server.ConnectAsync();
        transport.FailAccepts(SocketError.TooManyOpenSockets, times: 3);
        var stop = server.StopAsync();
        Assert.That(await waiting.ReadTextToEndAsync(), Is.EqualTo("hello\ngoodbye\n"));
        Assert.That(await stop, Is.Zero);
        Assert.That(transport.Failed, Is.EqualTo(3));
    }

    /// <summary>Two endpoints, of which the faults of the transport are the first one's.</summary>
    private static async Task<TestServer> StartShortAndBesideAsync(FaultyTransport transport, ManualTime time)
    {
        var server = await TestServer.StartAsync(
            new Workspace().With("Echo").Configure(
                """
                [ { "name": "short", "address": "127.0.0.1", "port": 0, "plugin": "Echo" },
                  { "name": "beside", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]
                """),
            time,
            transport);
        transport.OnlyPort = server.Endpoint("short").Port;
        return server;
    }

    /// <summary>5 ms, then 5 and 5, then 5 and another 15, of which none has passed.</summary>
    private static async Task FailUntilItBacksOffFor20MsAsync(FaultyTransport transport, ManualTime time)
    {
        transport.FailAccepts(SocketError.TooManyOpenSockets, times: 3);
        for (var step = 0; step < 3; step++)
        {
            await Deadline.UntilAsync(() => transport.Failed == (step + 3) / 2 && time.NextDue == AcceptBackoff.First, $"backs off, step {step}");
            time.Advance(AcceptBackoff.First);
        }

        await Deadline.UntilAsync(() => transport.Failed == 3 && time.NextDue == AcceptBackoff.First, "backs off for 20 ms");
    }

    private static Task<TestServer> StartAsync(Transport transport) =>
        TestServer.StartAsync(new Workspace().With("Echo").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]"""), transport: transport);

    private static async Task AssertEchoAsync(Client client)
    {
        await client.SendAsync("hello\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
    }
}
