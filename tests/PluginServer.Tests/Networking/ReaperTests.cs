using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>Who is idle or old is closed in time, never early, and at no cost to messages. A tick is a second for every timeout here.</summary>
internal sealed class ReaperTests
{
    private readonly ManualTime _time = new();
    private readonly Workspace _workspace = new();

    [SetUp]
    public void Fill() => _workspace.With("Behaviours", "Swap");

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [TestCase(0)]
    [TestCase(1)]
    [TestCase(70_000)]
    public async Task Who_passes_no_byte_is_closed_after_the_timeout_and_within_three_ticks(int bytes)
    {
        await using var server = await StartAsync(""" "handler": "EchoHandler", "idleTimeout": "00:00:10" """);
        var (client, connection) = await ConnectAsync(server);
        _time.Pass(Seconds(7.5));
        await EchoAsync(client, connection, bytes);
        AssertClosedBetween(connection, bytes == 0 ? 2.5 : 10, bytes == 0 ? 4.5 : 13);
        Assert.That(connection.Transport.End, Is.EqualTo((CloseCause.TimedOut, "idle for 00:00:10, longer than idleTimeout")));
        Assert.That(await client.EndsInResetAsync(), Is.True);
        Assert.That(async () => await connection.Output.WriteAsync(new byte[1]), Throws.InstanceOf<ConnectionClosedException>().With.Message.EqualTo("idle for 00:00:10, longer than idleTimeout"));
        await server.AssertNothingLeftAsync();
        Assert.That(server.Endpoint().Counters.HandlerFaults, Is.Zero);
        Assert.That(server.Endpoint().Counters.Ended, Is.EqualTo(1));
    }

    [Test]
    public async Task A_byte_now_and_then_in_either_direction_keeps_it_alive()
    {
        await using var server = await StartAsync(""" "handler": "DelimiterHandler", "idleTimeout": "00:00:10" """);
        var (sends, receivesOnly) = await ConnectAsync(server);
        var (receives, sendsOnly) = await ConnectAsync(server);
        for (var round = 1; round <= 12; round++)
        {
            await sends.SendAsync("x");
            await sendsOnly.Output.WriteAsync(new byte[1]);
            await Deadline.UntilAsync(() => receivesOnly.Transport.BytesReceived == round && sendsOnly.Transport.BytesSent == round, "moved");
            _time.Pass(Seconds(9));
            Assert.That((receivesOnly.Transport.End.Cause, sendsOnly.Transport.End.Cause), Is.EqualTo((CloseCause.None, CloseCause.None)), $"round {round}");
        }

        await SettledAsync(receivesOnly);
        await SettledAsync(sendsOnly);
        _time.Pass(Seconds(14));
        Assert.That((receivesOnly.Transport.End.Cause, sendsOnly.Transport.End.Cause), Is.EqualTo((CloseCause.TimedOut, CloseCause.TimedOut)));
        receives.Dispose();
        sends.Dispose();
    }

    [Test]
    public async Task Who_takes_slowly_what_waits_in_the_kernel_is_not_idle_and_who_takes_nothing_is()
    {
        await using var server = await StartAsync(""" "handler": "FloodHandler", "idleTimeout": "00:00:10" """);
        var (client, connection) = await ConnectAsync(server);
        var buffer = new byte[64 * 1024];
        for (var round = 0; round < 5; round++)
        {
            await SettledAsync(connection, isFull: true);
            var before = connection.Transport.Wire.Bytes;
            while (connection.Transport.Wire.Bytes == before)
            {
                await client.Socket.ReceiveAsync(buffer, Deadline.Token);
            }

            _time.Pass(Seconds(6));
            Assert.That(connection.Transport.End.Cause, Is.EqualTo(CloseCause.None), $"round {round}");
        }

        await SettledAsync(connection, isFull: true);
        _time.Pass(Seconds(24));
        Assert.That(connection.Transport.End.Cause, Is.EqualTo(CloseCause.TimedOut));
        await server.AssertNothingLeftAsync();
        Assert.That(server.Endpoint().Counters.HandlerFaults, Is.Zero);
    }

    [Test]
    public async Task Who_has_lived_long_enough_is_closed_however_busy()
    {
        await using var server = await StartAsync(""" "handler": "EchoHandler", "maxLifetime": "00:00:10" """);
        var (client, connection) = await ConnectAsync(server);
        for (var second = 1; second < 10; second++)
        {
            _time.Pass(Seconds(1));
            await EchoAsync(client, connection, second);
        }

        AssertClosedBetween(connection, 1, 2);
        Assert.That(connection.Transport.End, Is.EqualTo((CloseCause.TimedOut, "older than maxLifetime 00:00:10")));
        Assert.That(await client.EndsInResetAsync(), Is.True);
        await server.AssertNothingLeftAsync();
        Assert.That(server.Endpoint().Counters.HandlerFaults, Is.Zero);
    }

    // A shortened one counts from the edit on, but not longer than the old one; a lengthened one is granted as if it had been so before.
    [TestCase(60, 10, 30, 40, 43)]
    [TestCase(60, 10, 55, 60, 63)]
    [TestCase(10, 60, 5, 60, 63)]
    [TestCase(null, 10, 100, 110, 113)]
    [TestCase(10, null, 5, 1000, 1000)]
    public async Task An_edit_is_live(int? before, int? after, int editAt, int from, int to)
    {
        foreach (var key in new[] { "idleTimeout", "maxLifetime" })
        {
            await using var server = await StartAsync(Keys(key, before));
            var (client, connection) = await ConnectAsync(server);
            _time.Pass(Seconds(editAt));
            Configure(Keys(key, after));
            var outcome = await server.Reloader.ReloadAsync().Within();
            Assert.That(outcome.Changes, Has.Count.EqualTo(1));
            Assert.That(connection.Transport.End.Cause, Is.EqualTo(CloseCause.None), $"an edit of {key} closes nobody");
            AssertClosedBetween(connection, from - editAt, to - editAt);
            client.Dispose();
        }
    }

    [Test]
    public async Task A_shorter_timeout_in_between_leaves_no_debt()
    {
        await using var server = await StartAsync(Keys("idleTimeout", 60));
        var (client, connection) = await ConnectAsync(server);
        foreach (var (at, seconds) in new[] { (40, 10), (5, 30) })
        {
            _time.Pass(Seconds(at));
            Configure(Keys("idleTimeout", seconds));
            await server.Reloader.ReloadAsync().Within();
        }

        // Under 60 until 40 + 10 = 50, and 20 more from the second edit on.
        AssertClosedBetween(connection, 25, 28);
        client.Dispose();
    }

    [Test]
    public async Task One_timer_looks_after_everyone_and_only_while_there_is_somebody_and_a_timeout()
    {
        await using var server = await StartAsync(Keys("idleTimeout", null));
        var without = _time.Timers;
        var clients = new List<Client>();
        for (var count = 0; count < 20; count++)
        {
            var (client, connection) = await ConnectAsync(server);
            clients.Add(client);
            await EchoAsync(client, connection, 1000);
        }

        Assert.That(_time.Timers, Is.EqualTo(without), "no timeout, no timer");
        Configure(Keys("idleTimeout", 20));
        await server.Reloader.ReloadAsync().Within();
        Assert.That(_time.Timers, Is.EqualTo(without + 1));
        foreach (var client in clients)
        {
            await client.SendAsync("more");
            _time.Pass(Seconds(0.5));
            Assert.That(_time.Timers, Is.EqualTo(without + 1));
        }

        clients.ForEach(client => client.Reset());
        await server.AssertNothingLeftAsync();
        _time.Pass(Seconds(2));
        Assert.That(_time.Timers, Is.EqualTo(without), "nobody inside, no timer");
        var (next, _) = await ConnectAsync(server);
        Assert.That(_time.Timers, Is.EqualTo(without + 1));
        next.Dispose();
    }

    [Test]
    public async Task Connections_of_a_replaced_build_and_of_a_removed_endpoint_are_looked_after_too()
    {
        const string Deaf = """{ "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "DeafHandler", "idleTimeout": "00:00:10" }""";
        _workspace.Version("one").Configure($"[ {Deaf} ]");
        await using var server = await TestServer.StartAsync(_workspace, _time, keep: true);
        var (old, replaced) = await ConnectAsync(server);
        Assert.That(await old.ReadLineAsync(), Is.EqualTo("one"));
        _workspace.Version("two");
        await server.Reloader.ReloadAsync().Within();
        await SettledAsync(replaced);
        _time.Pass(Seconds(13));
        Assert.That(replaced.Transport.End.Cause, Is.EqualTo(CloseCause.TimedOut));

        var (left, leaving) = await ConnectAsync(server);
        Assert.That(await left.ReadLineAsync(), Is.EqualTo("two"));
        await SettledAsync(leaving);
        _workspace.Configure("[]");
        await server.Reloader.ReloadAsync().Within();
        _time.Pass(Seconds(13));
        Assert.That(leaving.Transport.End.Cause, Is.EqualTo(CloseCause.TimedOut), "before the 30 s of shutdownTimeout");
        Assert.That(await left.EndsInResetAsync(), Is.True);
        old.Dispose();
    }

    [Test]
    public async Task A_stop_waits_no_longer_than_the_timeout_for_who_is_idle()
    {
        await using var server = await StartAsync(""" "handler": "DeafHandler", "idleTimeout": "00:00:10" """);
        var (client, connection) = await ConnectAsync(server);
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
        await SettledAsync(connection);
        var stop = server.StopAsync();
        _time.Pass(Seconds(13));
        Assert.That(await stop.Within(), Is.Zero, "it was closed, and not cut by the stop");
        Assert.That(connection.Transport.End.Cause, Is.EqualTo(CloseCause.TimedOut));
    }

    [Test]
    public async Task In_real_time_it_is_not_early()
    {
        Configure(""" "handler": "EchoHandler", "idleTimeout": "00:00:00.400" """);
        await using var server = await TestServer.StartAsync(_workspace, keep: true);
        using var client = await server.ConnectAsync();
        var watch = System.Diagnostics.Stopwatch.StartNew();
        await client.SendAsync("hello");
        Assert.That(await client.EndsInResetAsync(), Is.True);
        TestContext.Out.WriteLine($"closed after {watch.ElapsedMilliseconds} ms");

        // No upper bound here: the machine may be busy.
        Assert.That(watch.ElapsedMilliseconds, Is.GreaterThanOrEqualTo(400));
        await Deadline.UntilAsync(() => server.Endpoint().Counters.Ended == 1, "booked");
        Assert.That(server.Log, Has.Some.Contains("TimedOut"));
    }

    private static string Keys(string key, int? seconds) =>
        $$""" "handler": "EchoHandler", "{{key}}": {{(seconds is { } some ? $"\"{TimeSpan.FromSeconds(some)}\"" : "null")}} """;

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    private static async Task<(Client Client, ServedConnection Connection)> ConnectAsync(TestServer server)
    {
        var known = server.Endpoint().Connections.All.ToHashSet();
        var client = await server.ConnectAsync();
        ServedConnection? connection = null;
        await Deadline.UntilAsync(() => (connection = server.Endpoint().Connections.All.FirstOrDefault(one => !known.Contains(one))) is not null, "accepted");
        return (client, connection!);
    }

    private static async Task EchoAsync(Client client, ServedConnection connection, int bytes)
    {
        var sent = connection.Transport.BytesSent + bytes;
        var sending = client.SendAsync(new byte[bytes]);
        for (var left = bytes; left > 0;)
        {
            left -= await client.Socket.ReceiveAsync(new byte[left], Deadline.Token);
        }

        await sending;
        await Deadline.UntilAsync(() => connection.Transport.BytesSent == sent, "counted");
        await SettledAsync(connection);
    }

    /// <summary>Nothing is under way any more, in the kernel either: acknowledgements come in real time.</summary>
    private static async Task SettledAsync(ServedConnection connection, bool isFull = false)
    {
        var transport = connection.Transport;
        if (!isFull)
        {
            await Deadline.UntilAsync(() => transport.Wire.Bytes >= transport.BytesReceived + transport.BytesSent, "acknowledged");
            return;
        }

        // Full is when nothing has moved for a while; the kernel tells nobody.
        var (still, seen) = (System.Diagnostics.Stopwatch.StartNew(), (0L, 0L));
        await Deadline.UntilAsync(
            () =>
            {
                var now = (transport.BytesSent, transport.Wire.Bytes);
                if (now != seen)
                {
                    seen = now;
                    still.Restart();
                }

                return still.ElapsedMilliseconds > 200;
            },
            "full");
    }

    private Task<TestServer> StartAsync(string more)
    {
        Configure(more);
        return TestServer.StartAsync(_workspace, _time, keep: true);
    }

    private void Configure(string more) => _workspace.Configure($$"""[{ "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", {{more}} }]""");

    /// <summary>In seconds from now; equal bounds say that it is open until then at least.</summary>
    private void AssertClosedBetween(ServedConnection connection, double from, double to)
    {
        _time.Pass(Seconds(from) - TimeSpan.FromMilliseconds(1));
        Assert.That(connection.Transport.End.Cause, Is.EqualTo(CloseCause.None), "not before its time");
        _time.Pass(Seconds(to - from) + TimeSpan.FromMilliseconds(2));
        Assert.That(connection.Transport.End.Cause, Is.EqualTo(from < to ? CloseCause.TimedOut : CloseCause.None));
    }
}
