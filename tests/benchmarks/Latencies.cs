using System.Diagnostics;
using System.Numerics;

namespace PluginServer.Benchmarks;

/// <summary>How long round trips took, in buckets that are 3 % wide, so that counting costs the load little.</summary>
/// <remarks>For several threads at once.</remarks>
internal sealed class Latencies
{
    private const int Fine = 5;
    private readonly long[] _counts = new long[64 << Fine];
    private long _count;

    public long Count => Interlocked.Read(ref _count);

    public void Add(long since)
    {
        var ticks = Math.Max(1, Stopwatch.GetTimestamp() - since);
        var power = BitOperations.Log2((ulong)ticks);
        var index = power < Fine ? ticks : ((long)(power - Fine + 1) << Fine) + ((ticks >> (power - Fine)) & ((1 << Fine) - 1));
        Interlocked.Increment(ref _counts[index]);
        Interlocked.Increment(ref _count);
    }

    /// <summary>In microseconds; 0 where nothing was counted.</summary>
    public double Percentile(double part)
    {
        var left = (long)(Count * part);
        for (var index = 0; index < _counts.Length; index++)
        {
            left -= _counts[index];
            if (left < 0)
            {
                var power = index >> Fine;
                var ticks = power == 0 ? index : (double)((1 << Fine) + (index & ((1 << Fine) - 1))) * (1L << (power - 1));
                return ticks * 1e6 / Stopwatch.Frequency;
            }
        }

        return 0;
    }
}
