using System.Diagnostics;
using System.Globalization;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>The heap and the descriptors of a chaos run, minute by minute.</summary>
internal sealed class ChaosMemory
{
    private const int EnoughToTell = 12;
    private static readonly TimeSpan Step = TimeSpan.FromMinutes(1);
    private readonly List<double> _heaps = [];

    /// <summary>For so long.</summary>
    public async Task WatchAsync(ChaosSite site, TimeSpan length, CancellationToken stop)
    {
        var watch = Stopwatch.StartNew();
        for (var left = length; !stop.IsCancellationRequested && left > TimeSpan.Zero; left = length - watch.Elapsed)
        {
            Look(watch.Elapsed);
            site.Host.ForgetLog();
            await Task.Delay(left < Step ? left : Step, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        Look(watch.Elapsed);
    }

    /// <summary>Where there are figures enough to say so: the heap of the last third is that of the middle one.</summary>
    public void AssertFlat()
    {
        if (_heaps.Count < EnoughToTell)
        {
            return;
        }

        var third = _heaps.Count / 3;
        var (middle, last) = (Median(_heaps.Skip(third).Take(third)), Median(_heaps.TakeLast(third)));
        Assert.That(last, Is.LessThan((1.2 * middle) + 4), "MiB of the heap in the last third, against the middle one");
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"heap {_heaps[0]:0.0} MiB at the start, {_heaps[^1]:0.0} MiB at the end");

    private static double Median(IEnumerable<double> values) => values.Order().ToList() is var all ? all[all.Count / 2] : 0;

    private void Look(TimeSpan at)
    {
        // Collected twice, so that what finalizers let go of does not count.
        _ = GC.GetTotalMemory(forceFullCollection: true);
        _heaps.Add(GC.GetTotalMemory(forceFullCollection: true) / 1048576.0);
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"after {at.TotalMinutes:0.0} min: heap {_heaps[^1]:0.0} MiB, working set {Environment.WorkingSet / 1048576.0:0} MiB, {new Descriptors().Count} descriptors, {ThreadPool.ThreadCount} threads"));
    }
}
