namespace PluginServer.Networking;

/// <summary>How many handler faults there were within the last minute.</summary>
/// <remarks>Any thread.</remarks>
internal sealed class RecentFaults(TimeProvider time)
{
    /// <summary>What counts as lately.</summary>
    public static readonly TimeSpan Span = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan Step = TimeSpan.FromSeconds(5);
    private readonly Lock _gate = new();
    private readonly long[] _counts = new long[(int)(Span / Step)];
    private readonly long _epoch = time.GetTimestamp();
    private long _present;

    public long InLastMinute
    {
        get
        {
            lock (_gate)
            {
                Advance();
                return _counts.Sum();
            }
        }
    }

    public void Count()
    {
        lock (_gate)
        {
            Advance();
            _counts[_present % _counts.Length]++;
        }
    }

    private void Advance()
    {
        var now = time.GetElapsedTime(_epoch) / Step;
        for (var steps = Math.Min((long)now - _present, _counts.Length); steps > 0; steps--)
        {
            _counts[((long)now - steps + 1) % _counts.Length] = 0;
        }

        _present = (long)now;
    }
}
