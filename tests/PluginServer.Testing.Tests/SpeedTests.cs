using System.Diagnostics;

namespace PluginServer.Testing.Tests;

/// <summary>What a test in memory costs: load, connect, echo, dispose. While nothing else runs, for it is a figure.</summary>
[NonParallelizable]
internal sealed class SpeedTests
{
    private const int Tests = 21;

    // The figure is 50 ms; a machine that is busy with other things is granted ten times that.
    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(500);

    [Test]
    public async Task A_test_in_memory_takes_some_milliseconds_after_the_first()
    {
        List<TimeSpan> took = [];
        var worked = TimeSpan.Zero;
        for (var test = 0; test < Tests; test++)
        {
            var (watch, before) = (Stopwatch.StartNew(), Environment.CpuUsage.TotalTime);
            await using (var host = await PluginHost.LoadAsync("artifacts/plugins/Echo"))
            {
                await using var client = await host.ConnectAsync();
                await client.SendAsync("hello\n");
                Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
            }

            took.Add(watch.Elapsed);
            worked += test == 0 ? TimeSpan.Zero : Environment.CpuUsage.TotalTime - before;
        }

        var (first, median) = (took[0], took.Skip(1).Order().ElementAt((Tests - 1) / 2));
        TestContext.Out.WriteLine($"first {first.TotalMilliseconds:F0} ms, median of {Tests - 1} after it {median.TotalMilliseconds:F1} ms ({worked.TotalMilliseconds / (Tests - 1):F1} ms of the processor each), slowest {took.Skip(1).Max().TotalMilliseconds:F1} ms");
        Assert.That(median, Is.LessThan(Limit));
    }
}
