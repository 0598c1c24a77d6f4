namespace PluginServer.Supervision;

/// <summary>How often the acceptors of one endpoint may die before it counts as failed, and how long each time nothing is tried.</summary>
/// <remarks>Not for several threads at once, but for <see cref="HasFailed"/>.</remarks>
internal sealed class RestartIntensity(TimeProvider time)
{
    // A fault that passes costs one acceptor or two; what dies this often stays broken until time or a person cures it.
    private const int Most = 5;
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    // Doubled with each death in the window.
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(5);

    // Doubled with each retry in vain.
    private static readonly TimeSpan FirstRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(30);

    private readonly Queue<long> _deaths = new();
    private volatile bool _hasFailed;
    private TimeSpan _retry;
    private TimeSpan _delay;
    private long _delayedAt;

    /// <summary>More died than may.</summary>
    public bool HasFailed => _hasFailed;

    /// <summary>How long from now nothing is to be tried.</summary>
    public TimeSpan Wait
    {
        get
        {
            // Whole milliseconds, as timers have: rounded down, the last one would be spun away.
            var left = _delay - time.GetElapsedTime(_delayedAt);
            return left > TimeSpan.Zero ? TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)) : TimeSpan.Zero;
        }
    }

    /// <summary>Counts a death.</summary>
    /// <returns>False when it belongs to a failure that is waited out already: several acceptors die of one cause.</returns>
    public bool Count()
    {
        if (HasFailed)
        {
            if (Wait > TimeSpan.Zero)
            {
                return false;
            }

            _retry = _retry * 2 > LongestRetry ? LongestRetry : _retry * 2;
            Delay(_retry);
            return true;
        }

        while (_deaths.TryPeek(out var first) && time.GetElapsedTime(first) > Window)
        {
            _deaths.Dequeue();
        }

        _deaths.Enqueue(time.GetTimestamp());
        _hasFailed = _deaths.Count > Most;
        _retry = FirstRetry;
        Delay(_hasFailed ? _retry : FirstDelay * (1 << (_deaths.Count - 1)));
        return true;
    }

    /// <summary>As if nothing had died.</summary>
    public void Reset()
    {
        _deaths.Clear();
        _hasFailed = false;
        _delay = TimeSpan.Zero;
    }

    private void Delay(TimeSpan delay)
    {
        _delay = delay;
        _delayedAt = time.GetTimestamp();
    }
}
