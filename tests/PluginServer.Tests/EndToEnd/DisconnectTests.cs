using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Thousands who leave in one instant cost those who come nothing that they would notice.</summary>
[Category("Long")]
[NonParallelizable]
internal sealed class DisconnectTests
{
    private const int PerSecond = 600;

    private static int Size => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_DISCONNECTS"), out var size) ? size : 1000;

    [Test]
    public async Task Accepting_goes_on_while_all_connections_end_at_once()
    {
        // Half a second more than before: 50 ms are aimed at, and the machine may be doing other things.
        var bound = TimeSpan.FromMilliseconds(500);
        using var workspace = new Workspace().With("Swap").Version("one").Configure($$"""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler", "maxConnections": {{Size + 1000}} } ]""");
        using var host = await HostProcess.StartAsync(workspace);
        var server = host.EndPoint("test");
        var clients = new Client[Size];
        await Parallel.ForAsync(0, Size, new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (index, _) =>
        {
            clients[index] = await Client.ConnectAsync(server);
            await clients[index].SendAsync("x\n");
            Assert.That(await clients[index].ReadLineAsync(), Is.EqualTo("one x"));
        });

        using var load = new Load(server, living: 16, PerSecond);
        await Deadline.UntilAsync(() => load.Count >= 2 * PerSecond, "two seconds as before");
        var known = load.Count;
        var leaving = Task.Factory.StartNew(() => Array.ForEach(clients, client => client.Dispose()), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await Deadline.UntilAsync(() => load.Count >= known + PerSecond, "a second later");
        await leaving.Within();
        load.Finish();
        var (before, during) = (load.All.Take(known).Skip(PerSecond).ToList(), load.All.Skip(known).Take(PerSecond).ToList());
        TestContext.Out.WriteLine($"{Size} disconnects: p99 from due to answered {Load.P99(before).TotalMilliseconds:0.0} ms before, {Load.P99(during).TotalMilliseconds:0.0} ms in that second, at worst {during.Max(one => one.Took).TotalMilliseconds:0.0} ms");
        Assert.That(Load.P99(during) - Load.P99(before), Is.LessThan(bound));
        host.Signal("TERM");
        Assert.That(await host.ExitAsync(), Is.Zero, host.Output);
    }
}
