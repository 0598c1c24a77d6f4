namespace PluginServer.Networking;

/// <summary>What the reaper knows of one connection: whether bytes move, and when it is due if none do.</summary>
internal sealed class Pulse(TimeSpan oldAt)
{
    private const long NotRead = -1;
    private long _counted;
    private long _onWire = NotRead;
    private TimeSpan _idleAt = Never;

    public static TimeSpan Never => TimeSpan.MaxValue;

    /// <summary>For those that are read message by message, where that is limited.</summary>
    public MessagePulse? Message { get; set; }

    /// <summary>When it will have lived for too long.</summary>
    public TimeSpan OldAt { get; private set; } = oldAt;

    /// <summary>Looks at the counters; true when no byte has moved for so long.</summary>
    public bool IsIdle(TransportConnection transport, TimeSpan timeout, TimeSpan now)
    {
        var counted = transport.BytesReceived + transport.BytesSent;
        if (counted != _counted)
        {
            _counted = counted;
            _onWire = NotRead;
            _idleAt = Never;
        }
        else if (_onWire == NotRead)
        {
            // The kernel may go on for a while: what it holds for a slow peer must not be lost. It is asked now and when the
            // time is over, but not by a connection that the host sees moving.
            _onWire = transport.Wire.Bytes;
            _idleAt = now + timeout;
        }
        else if (now >= _idleAt)
        {
            var onWire = transport.Wire.Bytes;
            if (onWire == _onWire)
            {
                return true;
            }

            _onWire = onWire;
            _idleAt = now + timeout;
        }

        return false;
    }

    /// <summary>Timeouts have changed: a longer one is granted as if it had been so before, a shorter one counts from now on.</summary>
    public void Retime(ReaperTimeouts before, ReaperTimeouts after, TimeSpan now)
    {
        Message?.Restart();
        OldAt = Retimed(OldAt, before.Lifetime, after.Lifetime, now);
        _idleAt = Retimed(_idleAt, before.Idle, after.Idle, now);
    }

    private static TimeSpan Retimed(TimeSpan due, TimeSpan? before, TimeSpan? after, TimeSpan now) => (before, after) switch
    {
        (_, null) => Never,
        ({ } old, { } next) when next >= old => due == Never ? Never : due + (next - old),
        (_, { } next) => due < now + next ? due : now + next,
    };
}
