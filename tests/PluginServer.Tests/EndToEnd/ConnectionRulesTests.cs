using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Each rule of <see cref="Connection"/>, kept by a real plugin over a real socket. What the pipes themselves promise is in the conformance suite.</summary>
internal sealed class ConnectionRulesTests
{
    private const string Order = """, "handler": "ObedientHandler" """;

    [Test]
    public async Task Returning_flushes_what_was_written()
    {
        await using var server = await TestServer.StartAsync("Behaviours", "UnflushedHandler");
        using var client = await server.ConnectAsync();
        Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("not flushed"));
    }

    /// <summary>A close with unread input would reset the connection and lose the answer.</summary>
    [Test]
    public async Task A_handler_that_answers_without_reading_the_rest_loses_nothing()
    {
        await using var server = await TestServer.StartAsync("Behaviours", "AnswerHandler");
        var request = new byte[20_000];
        for (var round = 0; round < 1000; round++)
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync(request);
            Assert.That(await client.ReadToEndAsync(), Has.Length.EqualTo(256 * 1024), $"round {round}");
        }

        await server.AssertNothingLeftAsync();
    }

    [Test]
    public async Task The_peers_fin_is_the_end_of_input_and_output_stays_usable()
    {
        await using var server = await StartAsync();
        using var client = await OrderAsync(server, "half");
        client.SendFin();
        Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("still here"));
        await AssertWitnessAsync(server, "half: end of input, closed False");
    }

    [Test]
    public async Task Completing_the_output_sends_fin_and_input_stays_usable()
    {
        await using var server = await StartAsync();
        using var client = await OrderAsync(server, "fin");
        Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("last words"));
        await client.SendAsync("I can still talk\n");
        await AssertWitnessAsync(server, "fin: then I can still talk");
    }

    [Test]
    public async Task Abort_ends_pending_and_later_operations_with_its_reason_and_resets()
    {
        await using var server = await StartAsync();
        using var client = await OrderAsync(server, "abort");
        Assert.That(await client.EndsInResetAsync(), Is.True);
        await AssertWitnessAsync(server, "abort: parked ConnectionClosedException had enough");
        await AssertWitnessAsync(server, "abort: later read ConnectionClosedException had enough");
        await AssertWitnessAsync(server, "abort: later flush ConnectionClosedException had enough");
        await AssertWitnessAsync(server, "abort: closed");
        Assert.That(server.Endpoint().Counters.HandlerFaults, Is.Zero);
    }

    [Test]
    public async Task A_reset_ends_a_pending_read_fires_closed_and_is_no_fault()
    {
        await using var server = await StartAsync();
        var client = await OrderAsync(server, "wait-reset");
        await ReadAsync(client, "waiting");
        client.Reset();
        await AssertWitnessAsync(server, "wait-reset: ConnectionClosedException");
        await AssertWitnessAsync(server, "wait-reset: closed");
        await server.AssertNothingLeftAsync();
        Assert.That(server.Endpoint().Counters.HandlerFaults, Is.Zero);
    }

    [Test]
    public async Task Closed_fires_at_a_reset_while_the_handler_does_not_read()
    {
        await using var server = await StartAsync();
        var client = await OrderAsync(server, "sleep-until-closed");
        await ReadAsync(client, "sleeping");
        client.Reset();
        await AssertWitnessAsync(server, "sleep-until-closed: closed");
        await AssertWitnessAsync(server, "sleep-until-closed: disposed");
        await server.AssertNothingLeftAsync();
        Assert.That(server.Endpoint().Counters.HandlerFaults, Is.Zero, "cancelled by Closed");
    }

    [Test]
    public async Task Closed_fires_at_the_end_of_an_orderly_connection_too()
    {
        await using var server = await StartAsync();
        using var client = await OrderAsync(server, "nothing");
        Assert.That(await client.ReadTextToEndAsync(), Is.Empty);
        await AssertWitnessAsync(server, "nothing: closed");
        await AssertWitnessAsync(server, "nothing: disposed");
    }

    [Test]
    public async Task A_flush_waits_while_64_KiB_or_more_are_unsent()
    {
        await using var server = await StartAsync();
        using var client = await OrderAsync(server, "big 33554432");
        await Deadline.UntilAsync(() => client.Socket.Available > 0, "the first bytes");
        Assert.That(await WitnessAsync(server), Does.Not.Contain("big 33554432: flushed"), "32 MiB are more than the kernel takes");
        Assert.That(await client.ReadToEndAsync(), Has.Length.EqualTo(33554432));
        await AssertWitnessAsync(server, "big 33554432: flushed");
    }

    [Test]
    public async Task A_second_concurrent_read_is_refused()
    {
        await using var server = await StartAsync();
        using var client = await OrderAsync(server, "two-reads");
        Assert.That(await client.ReadTextToEndAsync(), Does.StartWith("InvalidOperationException Another read is pending"));
        await AssertWitnessAsync(server, "two-reads: cancelled True");
    }

    [Test]
    public async Task What_a_handler_leaves_behind_is_ended_when_it_returns()
    {
        await using var server = await StartAsync();
        using var client = await OrderAsync(server, "leave-behind");
        Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("left"));
        await AssertWitnessAsync(server, "leave-behind: ConnectionClosedException");
        await AssertWitnessAsync(server, "leave-behind: later write ConnectionClosedException");
        await server.AssertNothingLeftAsync();
    }

    [Test]
    public async Task A_client_that_sends_for_ever_without_a_delimiter_is_closed_at_the_read_limit()
    {
        var transport = DefaultTransport.Create(TimeProvider.System);
        await using var server = await TestServer.StartAsync(new Workspace().With("Behaviours").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "DelimiterHandler", "readLimit": 100000 } ]"""), transport: transport);
        using var client = await server.ConnectAsync();
        var block = new byte[16 * 1024];
        var most = 0;
        Assert.That(
            async () =>
            {
                while (true)
                {
                    await client.SendAsync(block);
                    most = Math.Max(most, transport.RentedBlocks());
                }
            },
            Throws.InstanceOf<SocketException>());
        Assert.That(most * Block.Size, Is.LessThanOrEqualTo(100_000 + (2 * Block.Size)));
        await server.AssertNothingLeftAsync();
        Assert.That(server.Log, Has.Some.Contains("ReadLimit"));
        Assert.That(server.Endpoint().Counters.HandlerFaults, Is.Zero);
    }

    [TestCase("throw late", "InvalidDataException: told to: throw late")]
    [TestCase("throw-after-abort", "InvalidDataException: then that")]
    [TestCase("cancel", "OperationCanceledException: nobody asked for it")]
    public async Task Every_other_exception_is_one_fault(string order, string expected)
    {
        await using var server = await StartAsync();
        using var client = await OrderAsync(server, order);
        Assert.That(await client.EndsInResetAsync(), Is.True);
        await server.AssertNothingLeftAsync();
        Assert.That(server.Endpoint().Counters.HandlerFaults, Is.EqualTo(1));
        Assert.That(server.Log.Where(line => line.StartsWith("Error 204", StringComparison.Ordinal)), Has.Exactly(1).Contains(expected));
    }

    [Test]
    public async Task ConnectionClosedException_is_no_fault()
    {
        await using var server = await StartAsync();
        using var client = await OrderAsync(server, "closed-exception");
        Assert.That(await client.ReadTextToEndAsync(), Is.Empty);
        await server.AssertNothingLeftAsync();
        Assert.That(server.Endpoint().Counters.HandlerFaults, Is.Zero);
    }

    [TestCase("ThrowingHandler", "thrown at once")]
    [TestCase("StillbornHandler", "thrown in the constructor")]
    [TestCase("NullHandler", "HandleAsync returned null")]
    public async Task A_handler_that_cannot_even_begin_is_one_fault_and_costs_its_connection_only(string handler, string expected)
    {
        await using var server = await TestServer.StartAsync(new Workspace().With("Behaviours", "Echo").Configure($$"""
            [ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "{{handler}}" },
              { "name": "beside", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]
            """));
        using var beside = await server.ConnectAsync("beside");
        for (var round = 0; round < 20; round++)
        {
            // The reset may come before the client knows that it is connected.
            await server.ConnectAsync().ContinueWith(static async connected =>
            {
                using var client = await connected;
                await client.EndsInResetAsync();
            }, TaskScheduler.Default).Unwrap().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await beside.SendAsync("alive\n");
        Assert.That(await beside.ReadLineAsync(), Is.EqualTo("alive"));
        await Deadline.UntilAsync(() => server.Endpoint().Counters.Ended == 20, "all ended");
        Assert.That(server.Endpoint().Counters.HandlerFaults, Is.EqualTo(20));
        Assert.That(server.Log.Where(line => line.StartsWith("Error 204", StringComparison.Ordinal)), Is.Not.Empty.And.All.Contains(expected), "in a storm one line a second");
    }

    private static Task<TestServer> StartAsync() => TestServer.StartAsync(new Workspace().With("Behaviours").Configure($$"""
        [ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours"{{Order}} },
          { "name": "witness", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "WitnessHandler" } ]
        """));

    private static async Task<Client> OrderAsync(TestServer server, string order)
    {
        var client = await server.ConnectAsync();
        await client.SendAsync($"{order}\n");
        return client;
    }

    private static async Task ReadAsync(Client client, string expected)
    {
        var buffer = new byte[expected.Length];
        for (var read = 0; read < buffer.Length;)
        {
            read += await client.Socket.ReceiveAsync(buffer.AsMemory(read), Deadline.Token);
        }

        Assert.That(System.Text.Encoding.UTF8.GetString(buffer), Is.EqualTo(expected));
    }

    private static async Task<string> WitnessAsync(TestServer server)
    {
        using var client = await server.ConnectAsync("witness");
        return await client.ReadTextToEndAsync();
    }

    private static async Task AssertWitnessAsync(TestServer server, string expected)
    {
        var seen = "";
        var deadline = Deadline.Token;
        while (!seen.Contains(expected, StringComparison.Ordinal))
        {
            Assert.That(deadline.IsCancellationRequested, Is.False, $"'{expected}' was never seen, but: {seen}");
            seen = await WitnessAsync(server);
        }
    }
}
