using System.Globalization;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>What a plugin does wrong costs its own connection, is counted and logged once for each exception, and nothing else.</summary>
internal sealed class MisbehaviourTests
{
    private static readonly string[] Handlers =
    [
        "OrderHandler", "AtOnceHandler", "NullHandler", "OwnTokenHandler", "PoisonedHandler", "UnmadeServiceHandler", "ServiceDisposalHandler", "DisposalHandler",
        "AsyncDisposalHandler", "EverywhereHandler", "DeadContextHandler", "FromSecondHandler", "NeverHandler", "ReleaseHandler", "HoggingHandler", "UnreadingHandler", "FloodHandler",
    ];

    /// <summary>Handler, first line, whether it ends in a reset, and a part of each fault's text.</summary>
    private static readonly Misbehaviour[] All =
    [
        new("AtOnceHandler", "", true, "InvalidDataException: thrown at once"),
        new("NullHandler", "", true, "HandleAsync returned null"),
        new("OwnTokenHandler", "", true, "TaskCanceledException"),
        new("PoisonedHandler", "", true, "TypeInitializationException"),
        new("UnmadeServiceHandler", "", true, "thrown in the constructor of a service", "thrown in DisposeAsync of a service"),
        new("ServiceDisposalHandler", "", false, "thrown in Dispose of a service"),
        new("DisposalHandler", "", false, "thrown in Dispose"),
        new("AsyncDisposalHandler", "", false, "thrown in DisposeAsync"),
        new("EverywhereHandler", "", true, "thrown beside", "thrown in DisposeAsync", "thrown in Dispose of a service"),
        new("DeadContextHandler", "", false),
        new("OrderHandler", "late", true, "InvalidDataException: thrown late"),
        new("OrderHandler", "unspeakable", true, "UnspeakableException, whose text cannot be had: reading it throws System.InvalidOperationException"),
        new("OrderHandler", "huge", true, "characters more)"),
        new("OrderHandler", "half a pair", true, "half a pair: \ufffd"),
        new("OrderHandler", "many", true, "AggregateException: thrown together"),
        new("OrderHandler", "too big", true, "OutOfMemoryException"),
        new("OrderHandler", "interrupted", true, "ThreadInterruptedException"),
        new("OrderHandler", "cancelled after closed", true),
        new("OrderHandler", "completed twice", false),
        new("OrderHandler", "completed with an error", true),
        new("OrderHandler", "completed with errors", true),
        new("OrderHandler", "reads after completing", true, "Reading is not allowed after the reader was completed"),
        new("OrderHandler", "writes after completing", null, "Writing is not allowed after the writer was completed"),
        new("OrderHandler", "advances too far", true, "ArgumentOutOfRangeException"),
        new("OrderHandler", "callback", false, "thrown in a callback of Closed"),
        new("OrderHandler", "callbacks", false, "thrown in a callback of Closed", "UnspeakableException, whose text cannot be had: reading it throws System.InvalidOperationException"),
    ];

    private readonly Workspace _workspace = new();

    [TestCaseSource(nameof(All))]
    public async Task Each_exception_is_one_fault_and_the_connection_ends(Misbehaviour misbehaviour)
    {
        await using var server = await StartAsync();
        using var beside = await server.ConnectAsync("beside");
        await AssertEchoesAsync(beside);
        await MisbehaveAsync(server, misbehaviour);
        await AssertFaultsAsync(server, misbehaviour.Handler, [.. misbehaviour.Faults]);

        await MisbehaveAsync(server, misbehaviour);
        await AssertFaultsAsync(server, misbehaviour.Handler, [.. misbehaviour.Faults, .. misbehaviour.Faults]);
        await AssertEchoesAsync(beside);
        await AssertServesAsync(server);
    }

    /// <summary>No exception object, callback or task of a failed connection keeps the plugin loaded.</summary>
    [Test]
    public async Task A_generation_that_has_done_all_of_it_is_swapped_and_unloaded()
    {
        await using var server = await StartAsync();
        foreach (var misbehaviour in All)
        {
            await MisbehaveAsync(server, misbehaviour);
        }

        foreach (var handler in All.GroupBy(misbehaviour => misbehaviour.Handler))
        {
            await AssertFaultsAsync(server, handler.Key, [.. handler.SelectMany(misbehaviour => misbehaviour.Faults)]);
        }

        await server.AssertNothingLeftAsync();
        await AssertUnloadsAsync(server);
        await AssertServesAsync(server);
    }

    [Test]
    public async Task A_constructor_that_throws_from_the_second_connection_on_is_one_fault_each()
    {
        await using var server = await StartAsync();
        using (var first = await server.ConnectAsync("FromSecondHandler"))
        {
            Assert.That(await first.ReadTextToEndAsync(), Is.EqualTo("the first"));
        }

        var misbehaviour = new Misbehaviour("FromSecondHandler", "", true, "thrown in a later constructor");
        for (var round = 0; round < 5; round++)
        {
            await MisbehaveAsync(server, misbehaviour);
        }

        await AssertFaultsAsync(server, "FromSecondHandler", [.. Enumerable.Repeat("thrown in a later constructor", 5)]);
        await AssertServesAsync(server);
        await AssertUnloadsAsync(server);
    }

    [Test]
    public async Task A_draining_callback_that_throws_is_one_fault_and_its_connection_goes_on()
    {
        await using var server = await StartAsync();
        using var client = await OrderAsync(server, "OrderHandler", "draining callback");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("ready"));
        server.Endpoint("OrderHandler").Connections.Drain();
        await AssertFaultsAsync(server, "OrderHandler", "thrown in a callback of draining");
        await client.SendAsync("still there?\n");
        Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("goodbye"));
        await AssertFaultsAsync(server, "OrderHandler", "thrown in a callback of draining");
        await server.AssertNothingLeftAsync();
        await AssertUnloadsAsync(server);
    }

    /// <summary>The memory that a task keeps after its handler has returned is nobody else's, and its calls find nobody else's connection.</summary>
    [Test]
    public async Task What_is_left_behind_with_pipes_and_memory_touches_no_other_connection()
    {
        await using var server = await StartAsync();
        using var beside = await server.ConnectAsync("beside");
        for (var round = 0; round < 20; round++)
        {
            using var client = await OrderAsync(server, "OrderHandler", "scribble");
            await client.SendAsync("something to look at");
            Assert.That(await client.ReadTextToEndAsync(), Is.Empty);
            for (var echo = 0; echo < 20; echo++)
            {
                await AssertEchoesAsync(beside);
            }
        }

        await LeaveAsync(beside);
        await server.AssertNothingLeftAsync();
        await AssertFaultsAsync(server, "OrderHandler");
        await AssertServesAsync(server);
        await AssertUnloadsAsync(server);
    }

    [TestCase("return")]
    [TestCase("dispose")]
    public async Task One_that_never_returns_keeps_its_place_and_is_seen_in_status(string order)
    {
        await using var server = await StartAsync();
        using (var client = await OrderAsync(server, "NeverHandler", order))
        {
            Assert.That(await client.ReadLineAsync(), Is.EqualTo("no"));
            client.Reset();
        }

        await AssertServesAsync(server);
        var endpoint = server.Endpoint("NeverHandler");
        Assert.That((endpoint.Counters.Accepted, endpoint.Counters.Ended, endpoint.Connections.Count), Is.EqualTo((1, 0, 1)));
        await Deadline.UntilAsync(() => server.Server.Places.Taken == 1, "the others' places come back");
        var status = server.Reloader.Status();
        Assert.That(status.Endpoints.Single(shown => shown.Name == "NeverHandler").ActiveConnections, Is.EqualTo(1));
        var generation = status.Plugins.Single(plugin => plugin.Name == "Misbehaving").Generations.Single();
        Assert.That(generation.Connections, Is.EqualTo(1));
        Assert.That(generation.OldestConnectionAge, Is.Not.Null);

        using var release = await server.ConnectAsync("ReleaseHandler");
        Assert.That(await release.ReadTextToEndAsync(), Is.Empty);
        await server.AssertNothingLeftAsync();
        Assert.That((endpoint.Counters.Ended, endpoint.Counters.HandlerFaults), Is.EqualTo((1, 0)));
    }

    /// <summary>Cut at the deadline of the stop like every other; that it does not return then keeps the host from nothing.</summary>
    [Test]
    public async Task One_that_never_returns_is_cut_by_a_stop_and_left_behind()
    {
        await using var server = await StartAsync();
        using var client = await OrderAsync(server, "NeverHandler", "return");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("no"));
        Assert.That(await server.StopAsync(new CancellationToken(canceled: true)), Is.EqualTo(1));
        Assert.That(await client.EndsInResetAsync(), Is.True);
        Assert.That(server.Endpoint("NeverHandler").Connections.Count, Is.EqualTo(1));
    }

    [TestCase("wait")]
    [TestCase("spin")]
    public async Task One_that_hogs_its_thread_is_served_beside_and_ends_when_it_is_told(string order)
    {
        await using var server = await StartAsync();
        using var beside = await server.ConnectAsync("beside");
        using var client = await OrderAsync(server, "HoggingHandler", order);
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("begins"));
        await AssertEchoesAsync(beside);
        await AssertServesAsync(server);
        server.Endpoint("HoggingHandler").Connections.Drain();
        Assert.That(await client.ReadTextToEndAsync(), Is.Empty);
        await LeaveAsync(beside);
        await server.AssertNothingLeftAsync();
        await AssertFaultsAsync(server, "HoggingHandler");
    }

    [Test]
    public async Task One_that_blocks_on_its_own_read_and_flush_gets_its_data()
    {
        await using var server = await StartAsync();
        using var client = await OrderAsync(server, "HoggingHandler", "result");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("begins"));
        await client.SendAsync("one more line\n");
        Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("one more line"));
        await server.AssertNothingLeftAsync();
        await AssertFaultsAsync(server, "HoggingHandler");
    }

    [Test]
    public async Task One_that_never_reads_holds_its_own_client_only()
    {
        await using var server = await StartAsync();
        using var client = await server.ConnectAsync("UnreadingHandler");
        client.Socket.Blocking = false;
        var block = new byte[64 * 1024];
        var error = SocketError.Success;
        while (error == SocketError.Success)
        {
            client.Socket.Send(block, SocketFlags.None, out error);
        }

        Assert.That(error, Is.EqualTo(SocketError.WouldBlock), "the kernel's buffers are full, and nothing else");
        await AssertServesAsync(server);
        server.Endpoint("UnreadingHandler").Connections.Drain();
        await server.AssertNothingLeftAsync();
        await AssertFaultsAsync(server, "UnreadingHandler");
    }

    [Test]
    public async Task One_that_floods_is_held_back_by_its_client_and_ends_with_it()
    {
        await using var server = await StartAsync();
        using var beside = await server.ConnectAsync("beside");
        using var client = await server.ConnectAsync("FloodHandler");
        var buffer = new byte[1 << 20];
        for (var left = 32 << 20; left > 0;)
        {
            left -= await client.Socket.ReceiveAsync(buffer, Deadline.Token);
        }

        await AssertEchoesAsync(beside);
        await AssertServesAsync(server);
        client.Reset();
        await LeaveAsync(beside);
        await server.AssertNothingLeftAsync();
        await AssertFaultsAsync(server, "FloodHandler");
    }

    private Task<TestServer> StartAsync()
    {
        var endpoints = Handlers.Select(handler => $$"""{ "name": "{{handler}}", "address": "127.0.0.1", "port": 0, "plugin": "Misbehaving", "handler": "{{handler}}" }""");
        return TestServer.StartAsync(_workspace.With("Misbehaving", "Echo").Configure(
            $$"""[ { "name": "beside", "address": "127.0.0.1", "port": 0, "plugin": "Echo" }, {{string.Join(", ", endpoints)}} ]"""));
    }

    private static async Task<Client> OrderAsync(TestServer server, string handler, string order)
    {
        var client = await server.ConnectAsync(handler);
        await client.SendAsync($"{order}\n");
        return client;
    }

    private static async Task MisbehaveAsync(TestServer server, Misbehaviour misbehaviour)
    {
        bool reset;
        try
        {
            using var client = misbehaviour.Order.Length == 0 ? await server.ConnectAsync(misbehaviour.Handler) : await OrderAsync(server, misbehaviour.Handler, misbehaviour.Order);
            reset = await client.EndsInResetAsync();
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            // It may come before the client knows that it is connected.
            reset = true;
        }

        // After a FIN of the plugin's own the client may see either.
        Assert.That(reset, Is.EqualTo(misbehaviour.Reset ?? reset), $"{misbehaviour}: ends in a reset");
    }

    private static async Task AssertFaultsAsync(TestServer server, string handler, params string[] expected)
    {
        var endpoint = server.Endpoint(handler);
        await Deadline.UntilAsync(() => endpoint.Connections.Count == 0 || expected.Length > 0, $"{handler}: all have ended");
        await Deadline.UntilAsync(() => endpoint.Counters.HandlerFaults >= expected.Length, $"{handler}: {expected.Length} faults");
        Assert.That(endpoint.Counters.HandlerFaults, Is.EqualTo(expected.Length));

        // Counted first and then logged; those that are alike as one line, and a number once their second is over.
        await Deadline.UntilAsync(() => Faults().Count + MoreFaults() == expected.Length, $"{handler}: {expected.Length} faults logged");
        Assert.That(Faults().Where(line => !expected.Any(text => line.Contains(text, StringComparison.Ordinal))), Is.Empty);
        Assert.That(Faults(), Has.All.Length.LessThan(17_000));
        Assert.That(Faults(), expected.Length == 0 ? Is.Empty : Is.Not.Empty);
        List<string> Faults() => [.. server.Log.Where(line => line.StartsWith($"Error 204: Endpoint {handler},", StringComparison.Ordinal))];
        long MoreFaults() => server.Log.Select(line => Regex.Match(line, $@"^Warning 220: Endpoint {handler}: (\d+) times more: handler fault")).Where(match => match.Success).Sum(match => long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));
    }

    private static async Task AssertEchoesAsync(Client client)
    {
        await client.SendAsync("are you there?\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("are you there?"));
    }

    private static async Task LeaveAsync(Client client)
    {
        client.SendFin();
        Assert.That(await client.ReadTextToEndAsync(), Is.Empty);
    }

    private static async Task AssertServesAsync(TestServer server)
    {
        using var client = await OrderAsync(server, "OrderHandler", "hello");
        Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("hello"));
    }

    private async Task AssertUnloadsAsync(TestServer server)
    {
        await File.WriteAllTextAsync(Path.Combine(_workspace.PluginFolder("Misbehaving"), "changed.txt"), "another build");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        var old = server.Server.Generations.Single(generation => generation is { Number: 1, Build.Name: "Misbehaving" });
        await Deadline.UntilAsync(() => old.State is GenerationState.Unloaded or GenerationState.Leaked, "unloaded");
        Assert.That(old.State, Is.EqualTo(GenerationState.Unloaded), old.Leak);
    }

    /// <summary>One way to misbehave, and what is expected of the host.</summary>
    internal sealed record Misbehaviour(string Handler, string Order, bool? Reset, params string[] Faults)
    {
        public override string ToString() => $"{Handler} {Order}".TrimEnd();
    }
}
