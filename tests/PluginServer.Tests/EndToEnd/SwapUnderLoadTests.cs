using System.Diagnostics;
using System.Globalization;
using Newtonsoft.Json.Linq;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Swaps in a host process while clients live in it and others come: nobody is refused, broken or answered by two versions.</summary>
/// <remarks>Not beside other tests: what it prints are figures.</remarks>
[NonParallelizable]
internal sealed class SwapUnderLoadTests
{
    private readonly Workspace _workspace = new();

    [SetUp]
    public void Fill() => _workspace.With("Swap").Version("0").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" } ]""");

    [TearDown]
    public void Remove() => _workspace.Dispose();

    /// <summary>200 swaps at full size.</summary>
    [Test]
    [Category("Long")]
    public async Task Swaps_refuse_nothing_break_nothing_and_leave_the_listener_alone()
    {
        var swaps = Size("PLUGINSERVER_SWAPS", 10);
        using var host = await HostProcess.StartAsync(_workspace);
        var inode = ListenInode(host.EndPoint("test").Port);
        using var load = new Load(host.EndPoint("test"));
        var slowest = TimeSpan.Zero;
        for (var swap = 1; swap <= swaps; swap++)
        {
            await ConnectionsGoOnAsync(load, 100);
            slowest = new[] { slowest, await SwapAsync(host, $"{swap % 2}") }.Max();
        }

        await ConnectionsGoOnAsync(load, 100);
        Assert.That((int)(await GenerationAsync(host, 1))["connections"]!, Is.EqualTo(64), "they live through every swap");
        load.Finish();
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{swaps} swaps, the slowest {slowest.TotalMilliseconds:0} ms; {load.Count} connections ({load.PerSecond:0} a second) beside 64 that lived through all swaps with {load.RoundTrips} round trips"));

        Assert.That(load.PerSecond, Is.GreaterThan(50), "600 a second were due");
        Assert.That(load.All.Select(connection => connection.Version).Distinct(), Is.EquivalentTo(new[] { "0", "1" }));
        Assert.That(ListenInode(host.EndPoint("test").Port), Is.EqualTo(inode), "the listening socket is the same");
        await Deadline.UntilAsync(async () => (await GenerationsAsync(host)).Skip(1).All(generation => (string?)generation["state"] == "unloaded"), "every replaced generation is unloaded");
        var endpoint = (await host.StatusAsync())["endpoints"]![0]!;
        Assert.That((int)endpoint["generation"]!, Is.EqualTo(swaps + 1));
        Assert.That((long)endpoint["acceptedConnections"]!, Is.EqualTo(load.Count + 64));
        Assert.That((long)endpoint["handlerFaults"]! + (long)endpoint["activeConnections"]! + (long)endpoint["acceptErrors"]!, Is.Zero);
    }

    /// <summary>The aim is 3 times; a test beside other programs allows ten times that.</summary>
    [Test]
    public async Task The_first_connections_after_a_swap_are_answered_about_as_fast_as_those_before()
    {
        const int Connections = 1000;
        using var host = await HostProcess.StartAsync(_workspace);
        using var load = new Load(host.EndPoint("test"));

        // The host's own code is compiled twice before it is as fast as it gets.
        await ConnectionsGoOnAsync(load, 4 * Connections);
        var took = await SwapAsync(host, "1");
        var commit = Stopwatch.GetTimestamp();
        await Deadline.UntilAsync(() => load.All.Count(connection => connection.Due > commit) >= Connections, "connections after the swap");
        load.Finish();
        var before = Load.P99(load.All.Where(connection => connection.Version == "0").TakeLast(Connections));
        var after = Load.P99(load.All.Where(connection => connection.Version == "1").OrderBy(connection => connection.Due).Take(Connections));
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"p99 {before.TotalMilliseconds:0.0} ms before and {after.TotalMilliseconds:0.0} ms after the swap, {after / before:0.0} times; the swap took {took.TotalMilliseconds:0} ms"));
        Assert.That(after, Is.LessThan(30 * before));
    }

    [Test]
    public async Task Echo_is_swapped_in_under_5_seconds()
    {
        _workspace.With("Echo").Configure("""[ { "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]""");
        using var host = await HostProcess.StartAsync(_workspace);
        var times = new List<TimeSpan>();
        for (var swap = 0; swap < 5; swap++)
        {
            await File.WriteAllTextAsync(Path.Combine(_workspace.PluginFolder("Echo"), "build.txt"), $"{swap}");
            times.Add(await ReloadAsync(host));
        }

        TestContext.Out.WriteLine($"from the request to the commit: {string.Join(", ", times.Select(time => time.TotalMilliseconds.ToString("0 ms", CultureInfo.InvariantCulture)))}");
        Assert.That(times.Max(), Is.LessThan(TimeSpan.FromSeconds(5)));
    }

    [Test]
    public async Task A_rollback_under_load_takes_under_10_seconds_and_outlives_a_restart()
    {
        using (var host = await HostProcess.StartAsync(_workspace))
        {
            using var load = new Load(host.EndPoint("test"));
            await SwapAsync(host, "bad");
            await ConnectionsGoOnAsync(load, 100);
            Directory.Delete(_workspace.PluginFolder("Swap"), recursive: true);
            var started = Stopwatch.GetTimestamp();
            Assert.That((bool)(await host.CallAsync(HttpMethod.Post, "/api/plugins/Swap/rollback"))["accepted"]!, Is.True);
            var took = Stopwatch.GetElapsedTime(started);
            TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"rollback with the drop folder deleted: {took.TotalMilliseconds:0} ms"));
            Assert.That(took, Is.LessThan(TimeSpan.FromSeconds(10)));
            Assert.That(await VersionAsync(host), Is.EqualTo("0"));
            load.Finish();
            host.Signal("TERM");
            Assert.That(await host.ExitAsync(), Is.Zero, host.Output);
        }

        _workspace.With("Swap").Version("bad");
        using var again = await HostProcess.StartAsync(_workspace);
        Assert.That(await VersionAsync(again), Is.EqualTo("0"), "the restart does not bring the bad build back");
    }

    /// <summary>Ten random points at full size; a few here.</summary>
    [Test]
    [Category("Long")]
    public async Task After_a_kill_in_the_middle_of_a_swap_the_newest_build_serves_and_the_store_is_clean()
    {
        var kills = Size("PLUGINSERVER_KILLS", 2);
        var random = new Random(4711);
        for (var kill = 1; kill <= kills; kill++)
        {
            using (var host = await HostProcess.StartAsync(_workspace))
            {
                using var load = new Load(host.EndPoint("test"));
                await ConnectionsGoOnAsync(load, 50);
                _workspace.Version($"{kill}");
                host.Signal("HUP");

                // Anywhere between the signal and some time after the commit: there is no signal to wait for, and any point must do.
                await Task.Delay(TimeSpan.FromMilliseconds(random.Next(300)));
                host.Signal("KILL");
                await host.ExitAsync();
            }

            using var again = await HostProcess.StartAsync(_workspace);
            Assert.That(await VersionAsync(again), Is.EqualTo($"{kill}"));
            var store = Path.Combine(_workspace.Root, "state", "plugins", "Swap");
            Assert.That(Directory.GetDirectories(store, ".incoming-*"), Is.Empty);
            Assert.That(Directory.GetDirectories(store), Has.Length.LessThanOrEqualTo(PluginServer.Plugins.BuildHistory.Kept), "only builds that served");
            again.Signal("TERM");
            Assert.That(await again.ExitAsync(), Is.Zero, again.Output);
        }
    }

    private static int Size(string variable, int small) => int.TryParse(Environment.GetEnvironmentVariable(variable), out var size) ? size : small;

    private static Task ConnectionsGoOnAsync(Load load, int more)
    {
        var before = load.Count;
        return Deadline.UntilAsync(() => load.Count >= before + more || load.Failures.Count > 0, "connections go on");
    }

    private async Task<TimeSpan> SwapAsync(HostProcess host, string version)
    {
        _workspace.Version(version);
        return await ReloadAsync(host);
    }

    private static async Task<TimeSpan> ReloadAsync(HostProcess host)
    {
        var started = Stopwatch.GetTimestamp();
        var outcome = await host.CallAsync(HttpMethod.Post, "/api/reload");
        Assert.That(outcome["changes"]?.Count(), Is.EqualTo(1), outcome.ToString);
        return Stopwatch.GetElapsedTime(started);
    }

    private static async Task<string> VersionAsync(HostProcess host)
    {
        using var client = await host.ConnectAsync("test");
        await client.SendAsync("x\n");
        return (await client.ReadLineAsync()).Split(' ')[0];
    }

    private static async Task<JArray> GenerationsAsync(HostProcess host) => (JArray)(await host.StatusAsync())["plugins"]![0]!["generations"]!;

    private static async Task<JToken> GenerationAsync(HostProcess host, int number) => (await GenerationsAsync(host)).Single(generation => (int)generation["number"]! == number);

    private static string ListenInode(int port) => File.ReadLines("/proc/net/tcp")
        .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .Single(fields => fields[1].EndsWith($":{port:X4}", StringComparison.Ordinal) && fields[3] == "0A")[9];
}
