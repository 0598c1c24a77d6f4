using System.Collections.Immutable;

namespace PluginServer.Diagnostics;

/// <summary>How many things took how long: the counts of a histogram.</summary>
/// <remarks>Any thread. Each duration is in exactly one bucket, so the sum of the buckets is the count at every moment.</remarks>
internal sealed class Durations
{
    private readonly ImmutableArray<TimeSpan> _bounds;
    private readonly long[] _buckets;
    private long _ticks;

    /// <param name="bounds">Upper bounds, inclusive and ascending; what is longer than the last has a bucket of its own.</param>
    public Durations(ImmutableArray<TimeSpan> bounds)
    {
        _bounds = bounds;
        _buckets = new long[bounds.Length + 1];
    }

    public ImmutableArray<TimeSpan> Bounds => _bounds;

    /// <summary>A copy: how many in each bucket, one more than there are bounds.</summary>
    public long[] Buckets => [.. _buckets];

    public long Count => _buckets.Sum();

    public TimeSpan Sum => TimeSpan.FromTicks(Interlocked.Read(ref _ticks));

    public void Add(TimeSpan duration)
    {
        var bucket = 0;
        while (bucket < _bounds.Length && duration > _bounds[bucket])
        {
            bucket++;
        }

        // Before the bucket: whoever reads the count first finds the sum of at least as many.
        Interlocked.Add(ref _ticks, duration.Ticks);
        Interlocked.Increment(ref _buckets[bucket]);
    }

    /// <summary>Takes over what others have counted, with the same bounds; says how many those are.</summary>
    public long Add(Durations other)
    {
        var count = 0L;
        for (var bucket = 0; bucket < _buckets.Length; bucket++)
        {
            var some = Interlocked.Read(ref other._buckets[bucket]);
            count += some;
            Interlocked.Add(ref _buckets[bucket], some);
        }

        Interlocked.Add(ref _ticks, other.Sum.Ticks);
        return count;
    }
}
