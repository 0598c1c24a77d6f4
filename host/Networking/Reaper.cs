namespace PluginServer.Networking;

/// <summary>Closes the connections of one endpoint that are idle or old, or too slow with a message.</summary>
/// <remarks>
/// Nothing of it is on a message's path: one timer, which exists only while there is a timeout and somebody inside, looks at the
/// counters of every connection. So an end comes between the timeout and three ticks later, and never too early.
/// </remarks>
internal sealed class Reaper(TimeProvider time, ReaperTimeouts initial)
{
    private readonly Lock _gate = new();
    private readonly long _epoch = time.GetTimestamp();
    private volatile ReaperTimeouts _timeouts = initial;
    private volatile ITimer? _timer;
    private TimeSpan _edited;

    private TimeSpan Now => time.GetElapsedTime(_epoch);

    /// <summary>Somebody has come.</summary>
    public void Watch(ConnectionSet connections)
    {
        // Added before this looks, and counted by a sweep after it has dropped the timer: one of them sees the other.
        if (_timer is null && _timeouts.Tick is not null)
        {
            lock (_gate)
            {
                Start(connections);
            }
        }
    }

    /// <summary>Takes over an edit, for everyone inside too: nobody is closed sooner than a shorter timeout after now, nor later
    /// than the longer one would have closed it.</summary>
    public void Retime(ConnectionSet connections, ReaperTimeouts next)
    {
        lock (_gate)
        {
            var (before, now) = (_timeouts, Now);
            if (before == next)
            {
                return;
            }

            foreach (var connection in connections.All)
            {
                connection.Pulse?.Retime(before, next, now);
            }

            _timeouts = next;
            _edited = now;
            Stop();
            Start(connections);
        }
    }

    private void Start(ConnectionSet connections)
    {
        if (_timer is null && _timeouts.Tick is { } tick && connections.Count > 0)
        {
            _timer = time.CreateTimer(state => Sweep((ConnectionSet)state!), connections, tick, Timeout.InfiniteTimeSpan);
        }
    }

    private void Stop()
    {
        _timer?.Dispose();
        _timer = null;
    }

    private void Sweep(ConnectionSet connections)
    {
        lock (_gate)
        {
            var (timeouts, now) = (_timeouts, Now);
            foreach (var connection in connections.All)
            {
                Look(connection, timeouts, now);
            }

            // Not a period: a sweep that takes long must not meet itself.
            if (connections.Count > 0 && timeouts.Tick is { } tick && _timer?.Change(tick, Timeout.InfiniteTimeSpan) == true)
            {
                return;
            }

            Stop();
            Interlocked.MemoryBarrier();
            Start(connections);
        }
    }

    private void Look(ServedConnection connection, ReaperTimeouts timeouts, TimeSpan now)
    {
        if (connection.Transport.End.Cause != CloseCause.None)
        {
            // It has ended; its handler has not noticed yet, or never will.
            return;
        }

        var pulse = connection.Pulse ??= new Pulse(Began(connection) + timeouts.Lifetime ?? Pulse.Never);
        if (now >= pulse.OldAt)
        {
            connection.Transport.Abort(CloseCause.TimedOut, $"older than maxLifetime {timeouts.Lifetime}");
        }
        else if (timeouts.Idle is { } idle && pulse.IsIdle(connection.Transport, idle, now))
        {
            connection.Transport.Abort(CloseCause.TimedOut, $"idle for {idle}, longer than idleTimeout");
        }
        else if (timeouts.LimitsMessages && connection.Handler is IMessageLoop loop && (pulse.Message ??= new MessagePulse()).Overdue(loop, connection.Transport.BytesReceived, timeouts, now) is { } overdue)
        {
            connection.Transport.Abort(CloseCause.TimedOut, overdue);
        }
    }

    // Who was inside before the timeout was set has its time from then on.
    private TimeSpan Began(ServedConnection connection)
    {
        var accepted = time.GetElapsedTime(_epoch, connection.AcceptedAt);
        return accepted > _edited ? accepted : _edited;
    }
}
