using System.Diagnostics;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Thousands who leave in one instant cost those who come nothing that they would notice.</summary>
[Category("Long")]
[NonParallelizable]
internal sealed class DisconnectTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private static int Size => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_DISCONNECTS"), out var size) ? size : 1000;

    [Test]
    public async Task Accepting_goes_on_while_all_connections_end_at_once()
    {
        // The figure aimed at is 50 ms; the bound is for a machine that does other things too.
        const int Bound = 500;
        using var workspace = new Workspace().With("Echo").Configure($$"""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo", "maxConnections": {{Size + 100}} } ]""");
        using var host = await HostProcess.StartAsync(workspace);
        var clients = new Client[Size];
        await Parallel.ForAsync(0, Size, new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (index, _) =>
        {
            clients[index] = await host.ConnectAsync("test");
            await EchoAsync(clients[index]);
        });

        var before = await ProbeAsync(host);
        var leaving = Task.Run(() => Parallel.ForEach(clients, client => client.Dispose()));
        var during = await ProbeAsync(host);
        await leaving;
        TestContext.Out.WriteLine($"{Size} disconnects: connect to echo p99 {before:0.0} ms before, {during:0.0} ms in that second");
        Assert.That(during - before, Is.LessThan(Bound));
        host.Signal("TERM");
        Assert.That(await host.ExitAsync(), Is.Zero, host.Output);
    }

    /// <summary>For a second, one client after the other: the 99th percentile from connect to echo, in milliseconds.</summary>
    private static async Task<double> ProbeAsync(HostProcess host)
    {
        var times = new List<double>();
        for (var all = Stopwatch.StartNew(); all.Elapsed < Second;)
        {
            var one = Stopwatch.StartNew();
            using var client = await host.ConnectAsync("test");
            await EchoAsync(client);
            times.Add(one.Elapsed.TotalMilliseconds);
        }

        times.Sort();
        return times[times.Count * 99 / 100];
    }

    private static async Task EchoAsync(Client client)
    {
        await client.SendAsync("x\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("x"));
    }
}
