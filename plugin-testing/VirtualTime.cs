using NUnit.Framework;

namespace PluginServer.Testing;

/// <summary>Time that passes when a test says so.</summary>
/// <remarks>It begins at the present, so that certificates are valid. What a timer does runs on the thread that lets time pass; what awaits it may go on elsewhere.</remarks>
public sealed class VirtualTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<VirtualTimer> _timers = [];
    private readonly List<(TimeSpan By, TaskCompletionSource Reached)> _waiting = [];
    private readonly DateTimeOffset _start = System.GetUtcNow();
    private TimeSpan _now;

    /// <summary>How many timers wait, those of the host among them.</summary>
    public int Timers
    {
        get
        {
            lock (_gate)
            {
                return _timers.Count;
            }
        }
    }

    /// <inheritdoc/>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <inheritdoc/>
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate)
        {
            return _start + _now;
        }
    }

    /// <inheritdoc/>
    public override long GetTimestamp()
    {
        lock (_gate)
        {
            return _now.Ticks;
        }
    }

    /// <summary>Lets time pass. Timers that become due run in their order, each at its own time, and those that they start as well.</summary>
    /// <param name="by">How much; not less than nothing.</param>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        TimeSpan until;
        lock (_gate)
        {
            until = _now + by;
        }

        while (TakeDue(until) is { } due)
        {
            due.Fire();
        }
    }

    /// <summary>Waits until a timer is due within this time: until what the test is about to let pass is really waited for. Fails after 30 s of real time.</summary>
    /// <param name="within">From now on.</param>
    /// <exception cref="AssertionException">There is none.</exception>
    public async Task WhenDueAsync(TimeSpan within)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            var by = _now + within;
            if (_timers.Exists(timer => timer.Due <= by))
            {
                return;
            }

            _waiting.Add((by, reached));
        }

        await reached.Task.WithinAsync(() => $"no timer is due within {within}; {Timers} wait for later");
    }

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new VirtualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private VirtualTimer? TakeDue(TimeSpan until)
    {
        lock (_gate)
        {
            var next = _timers.MinBy(timer => timer.Due);
            if (next is null || next.Due > until)
            {
                _now = until > _now ? until : _now;
                return null;
            }

            _now = next.Due > _now ? next.Due : _now;
            _timers.Remove(next);
            if (next.Period > TimeSpan.Zero)
            {
                Add(next, next.Period);
            }

            return next;
        }
    }

    private void Set(VirtualTimer timer, TimeSpan dueTime, TimeSpan period)
    {
        lock (_gate)
        {
            _timers.Remove(timer);
            timer.Period = period;
            if (dueTime >= TimeSpan.Zero)
            {
                Add(timer, dueTime);
            }
        }
    }

    private void Add(VirtualTimer timer, TimeSpan dueTime)
    {
        timer.Due = _now + dueTime;

        // Behind those of the same time, which come first.
        _timers.Add(timer);
        foreach (var (by, reached) in _waiting)
        {
            if (timer.Due <= by)
            {
                reached.TrySetResult();
            }
        }

        _waiting.RemoveAll(waiting => waiting.Reached.Task.IsCompleted);
    }

    private void Remove(VirtualTimer timer)
    {
        lock (_gate)
        {
            _timers.Remove(timer);
        }
    }

    private sealed class VirtualTimer(VirtualTime time, TimerCallback callback, object? state) : ITimer
    {
        // As a timer of the system's: what it does belongs to whoever made it.
        private readonly ExecutionContext? _context = ExecutionContext.Capture();
        private volatile bool _disposed;

        public TimeSpan Due { get; set; }

        public TimeSpan Period { get; set; }

        public void Fire()
        {
            if (_disposed)
            {
                return;
            }

            if (_context is null)
            {
                callback(state);
            }
            else
            {
                ExecutionContext.Run(_context, static timer => ((VirtualTimer)timer!).Call(), this);
            }
        }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            if (!_disposed)
            {
                time.Set(this, dueTime, period);
            }

            return !_disposed;
        }

        public void Dispose()
        {
            _disposed = true;
            time.Remove(this);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }

        private void Call() => callback(state);
    }
}
