namespace PluginServer.Tests.Support;

/// <summary>The system's time, with its timers counted: what a host leaves behind is seen, whatever else the process does.</summary>
internal sealed class CountingTime : TimeProvider
{
    private int _timers;

    /// <summary>Timers that are still to fire: one that has fired and is forgotten is only garbage.</summary>
    public int Timers => Volatile.Read(ref _timers);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new CountedTimer(this, callback, state);
        timer.Start(dueTime, period);
        return timer;
    }

    private sealed class CountedTimer : ITimer
    {
        private readonly CountingTime _time;
        private readonly ITimer _timer;
        private int _armed;
        private bool _repeats;

        public CountedTimer(CountingTime time, TimerCallback callback, object? state)
        {
            _time = time;
            _timer = System.CreateTimer(
                _ =>
                {
                    if (!_repeats)
                    {
                        Arm(false);
                    }

                    callback(state);
                },
                null,
                Timeout.InfiniteTimeSpan,
                Timeout.InfiniteTimeSpan);
        }

        public void Start(TimeSpan dueTime, TimeSpan period) => Change(dueTime, period);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _repeats = period != Timeout.InfiniteTimeSpan;
            Arm(dueTime != Timeout.InfiniteTimeSpan);
            var changed = _timer.Change(dueTime, period);
            if (!changed)
            {
                Arm(false);
            }

            return changed;
        }

        public void Dispose()
        {
            _timer.Dispose();
            Arm(false);
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }

        private void Arm(bool armed)
        {
            var now = armed ? 1 : 0;
            Interlocked.Add(ref _time._timers, now - Interlocked.Exchange(ref _armed, now));
        }
    }
}
