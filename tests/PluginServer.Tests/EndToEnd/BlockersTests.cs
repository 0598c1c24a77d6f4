using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using PluginServer.Administration;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Hundreds of handlers that block their threads, and what an endpoint beside them and the administration notice of it.</summary>
[NonParallelizable]
[Platform("Linux")]
internal sealed class BlockersTests
{
    private static readonly TimeSpan Measured = TimeSpan.FromSeconds(4);

    /// <summary>Of each kind.</summary>
    private static int Blockers => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_BLOCKERS"), out var size) ? size : 60;

    /// <summary>Two hundred of each kind at full size: more than the generation has threads.</summary>
    [Test]
    [Category("Long")]
    public async Task Those_that_sleep_and_those_that_wait_for_their_own_read_cost_their_neighbour_nothing()
    {
        // Ten times the 25 ms that are aimed at.
        var bound = TimeSpan.FromMilliseconds(250);
        using var workspace = new Workspace().With("Misbehaving", "Echo").Configure("""
            [ { "name": "blocking", "address": "127.0.0.1", "port": 0, "plugin": "Misbehaving", "handler": "HoggingHandler" },
              { "name": "beside", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]
            """);
        using var host = await HostProcess.StartAsync(workspace);
        using var echo = Connect(host.EndPoint("beside"));
        RoundTrip(echo);
        var blockers = new List<Client>();
        foreach (var order in Enumerable.Repeat("sleep\n", Blockers).Concat(Enumerable.Repeat("result\n", Blockers)))
        {
            blockers.Add(await host.ConnectAsync("blocking"));
            await blockers[^1].SendAsync(order);
        }

        var waiting = blockers[^1];
        var times = await Task.Factory.StartNew(() => Ping(echo, Measured), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var live = await ControlClient.SendAsync(HttpMethod.Get, "/health/live", workspace.ConfigFile, Deadline.Token);
        var status = await host.StatusAsync();
        using var another = Connect(host.EndPoint("beside"));
        RoundTrip(another);
        times.Sort();
        var p99 = times[times.Count * 99 / 100];
        TestContext.Out.WriteLine($"{times.Count} echoes beside {2 * Blockers} that block: p99 {p99.TotalMilliseconds:0.0} ms, the slowest {times[^1].TotalMilliseconds:0.0} ms; /health/live: {live.Status}");
        Assert.That(live.Status, Is.EqualTo(200));
        Assert.That(p99, Is.LessThan(bound));
        Assert.That((string?)status.SelectToken("$.plugins[?(@.name == 'Misbehaving')].dispatch"), Is.EqualTo("own"));
        Assert.That((string?)status.SelectToken("$.plugins[?(@.name == 'Echo')].dispatch"), Is.EqualTo("inline"));

        // Those that wait for their own read get it in the end, although so many came before them.
        Assert.That(await waiting.ReadLineAsync(), Is.EqualTo("begins"));
        await waiting.SendAsync("at last\n");
        Assert.That(await waiting.ReadTextToEndAsync(), Is.EqualTo("at last"));
        blockers.ForEach(client => client.Dispose());
    }

    /// <summary>Were the loop to stand still each time, all lanes would wait, and not only the one whose message it is.</summary>
    [Test]
    public async Task One_message_in_2000_that_blocks_its_handler_is_waited_for_by_nobody_else()
    {
        const int Lanes = 8;
        const int Messages = 5000;
        const int Blocks = Lanes * Messages / 2000;
        using var workspace = new Workspace().With("Misbehaving").Configure("""[ { "name": "hiccups", "address": "127.0.0.1", "port": 0, "plugin": "Misbehaving", "handler": "HiccupHandler" } ]""");
        using var host = await HostProcess.StartAsync(workspace);
        var lanes = Enumerable.Range(0, Lanes).Select(_ => Connect(host.EndPoint("hiccups"))).ToList();
        var pinging = lanes.Select(lane => Task.Factory.StartNew(() => Ping(lane, Messages), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default));
        var times = (await Task.WhenAll(pinging).Within()).SelectMany(lane => lane).Order().ToList();
        lanes.ForEach(lane => lane.Dispose());
        var waited = times.Count(time => time > TimeSpan.FromMilliseconds(40));
        TestContext.Out.WriteLine($"{times.Count} echoes, {Blocks} of which block for 50 ms: {waited} took more than 40 ms; p999 {times[times.Count * 999 / 1000].TotalMilliseconds:0.0} ms");
        Assert.That(waited, Is.InRange(Blocks, Blocks * Lanes / 2));
    }

    [Test]
    public async Task One_that_spins_leaves_the_rest_of_the_machine_to_its_neighbour()
    {
        // Were the loop to stand still, no echo at all would come back.
        var bound = TimeSpan.FromMilliseconds(250);
        using var workspace = new Workspace().With("Misbehaving", "Echo").Configure("""
            [ { "name": "spinning", "address": "127.0.0.1", "port": 0, "plugin": "Misbehaving", "handler": "HoggingHandler" },
              { "name": "beside", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]
            """);
        using var host = await HostProcess.StartAsync(workspace);
        using var spinning = await host.ConnectAsync("spinning");
        await spinning.SendAsync("spin\n");
        Assert.That(await spinning.ReadLineAsync(), Is.EqualTo("begins"));
        using var echo = Connect(host.EndPoint("beside"));
        var times = await Task.Factory.StartNew(() => Ping(echo, Measured), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        times.Sort();
        var p99 = times[times.Count * 99 / 100];
        TestContext.Out.WriteLine($"{times.Count} echoes beside one that spins: p99 {p99.TotalMilliseconds:0.0} ms");
        Assert.That(p99, Is.LessThan(bound));
    }

    private static List<TimeSpan> Ping(Socket echo, TimeSpan length)
    {
        var times = new List<TimeSpan>();
        for (var watch = Stopwatch.StartNew(); watch.Elapsed < length;)
        {
            var start = Stopwatch.GetTimestamp();
            RoundTrip(echo);
            times.Add(Stopwatch.GetElapsedTime(start));
        }

        return times;
    }

    private static List<TimeSpan> Ping(Socket echo, int count)
    {
        var times = new List<TimeSpan>(count);
        while (times.Count < count)
        {
            var start = Stopwatch.GetTimestamp();
            RoundTrip(echo);
            times.Add(Stopwatch.GetElapsedTime(start));
        }

        return times;
    }

    private static Socket Connect(IPEndPoint server)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 30_000 };
        socket.Connect(server);
        return socket;
    }

    private static void RoundTrip(Socket echo)
    {
        var buffer = new byte[1];
        echo.Send(buffer);
        Assert.That(echo.Receive(buffer), Is.EqualTo(1));
    }
}
