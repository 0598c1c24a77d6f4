using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace PluginServer.Networking;

/// <summary>One epoll set, and the threads that handle its events: one leads, and when it stays inside one handler another takes over
/// the rest of the batch and leads from then on.</summary>
/// <remarks>All that decides is one word: the term of the leader, and the index of the event that is next. The leader takes an event,
/// and the monitor a term away, by exchanging it; whoever finds it changed no longer leads.</remarks>
internal sealed class EpollLoop : IDisposable
{
    /// <summary>With so many handlers blocking at once the loop stands still until one returns.</summary>
    public const int MostFollowers = 256;
    private const uint Waiting = uint.MaxValue;
    private const ulong NoTarget = 0;
    private readonly EpollSet _epoll = new();
    private readonly int _end;
    private readonly EpollBatch _batch = new();
    private readonly Stack<EpollFollower> _idle = new();
    private readonly EpollMonitor _monitor;
    private EpollFollower _leader;
    private ulong _state;
    private long _handled;
    private int _followers;
    private long _replaced;
    private long _stale;
    private bool _ending;
    private bool _ended;

    public EpollLoop()
    {
        _end = Libc.CreateEvent();
        if (_end < 0 || Libc.Control(_epoll, Libc.EpollAdd, _end, Libc.EpollIn, NoTarget) < 0)
        {
            throw new SocketException((int)Libc.ErrorOf(Libc.LastError));
        }

        Targets = new EpollTargets(_epoll);
        _leader = Follower()!;
        _monitor = new EpollMonitor(this);
        _leader.Begin(0);
    }

    public EpollTargets Targets { get; }

    /// <summary>Told when a handler has kept the leader beyond a tick, and another thread leads now: whose event it was.</summary>
    public Action<IEpollTarget>? Blocked { get; set; }

    /// <summary>How often the leader was replaced.</summary>
    public long Replaced => Interlocked.Read(ref _replaced);

    /// <summary>How many events came for a descriptor that was closed meanwhile.</summary>
    public long Stale => Interlocked.Read(ref _stale);

    /// <summary>Threads, the leader among them.</summary>
    public int Followers => Volatile.Read(ref _followers);

    /// <summary>Nobody leads any more.</summary>
    public bool HasEnded => Volatile.Read(ref _ended);

    /// <summary>Whether the kernel is asked for the next events.</summary>
    public bool IsWaiting => Waits(Volatile.Read(ref _state));

    /// <summary>Changes whenever the leader goes on, and only then.</summary>
    public (ulong State, long Handled) Progress => (Volatile.Read(ref _state), Volatile.Read(ref _handled));

    public static bool Waits(ulong state) => (uint)state == Waiting;

    /// <summary>Has the threads end, each when its handler returns. Connections that are still open hear of no event from then on.</summary>
    public void Dispose()
    {
        lock (_idle)
        {
            if (!_ending)
            {
                Volatile.Write(ref _ending, true);
                Libc.Signal(_end);
            }
        }
    }

    /// <summary>The leader has not gone on since: another one takes over.</summary>
    public void Replace(ulong seen)
    {
        if (Follower() is not { } next)
        {
            return;
        }

        var term = (uint)(seen >> 32) + 1;
        var blocked = _leader.Inside;
        if (Interlocked.CompareExchange(ref _state, ((ulong)term << 32) | (uint)seen, seen) != seen)
        {
            Return(next);
            return;
        }

        Interlocked.Increment(ref _replaced);
        var replaced = _leader;
        _leader = next;
        next.Begin(term);
        if (blocked is not null)
        {
            _monitor.Suspect(replaced, blocked);
        }
    }

    private void Lead(EpollFollower self)
    {
        while (Advance(self))
        {
        }

        Return(self);
    }

    // A method of its own for each step: the runtime replaces one that is called often by a better one, but not one that never returns.
    private bool Advance(EpollFollower self)
    {
        var state = Volatile.Read(ref _state);
        if ((uint)(state >> 32) != self.Term)
        {
            return false;
        }

        var next = (uint)state;
        if (next < (uint)_batch.Count)
        {
            var (events, data) = _batch[(int)next];
            if (Interlocked.CompareExchange(ref _state, state + 1, state) == state)
            {
                Volatile.Write(ref _handled, _handled + 1);
                Dispatch(self, events, data);
            }
        }
        else if (Volatile.Read(ref _ending))
        {
            End();
            return false;
        }
        else if (Interlocked.CompareExchange(ref _state, (state & ~(ulong)uint.MaxValue) | Waiting, state) == state)
        {
            _batch.Fill(_epoll);

            // A full fence: the monitor sleeps while it finds the loop waiting.
            Interlocked.Exchange(ref _state, (ulong)self.Term << 32);
            _monitor.Wake();
        }

        return true;
    }

    private void End()
    {
        lock (_idle)
        {
            if (_ended)
            {
                return;
            }

            Volatile.Write(ref _ended, true);
            while (_idle.TryPop(out var idle))
            {
                idle.End();
            }

            _epoll.Dispose();
            _ = Libc.Close(_end);
        }
    }

    // Apart from the endless loop, so that no frame that lasts holds a connection, and through it a plugin.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Dispatch(EpollFollower self, uint events, ulong data)
    {
        if (Targets.Find(data) is not { } target)
        {
            Interlocked.Increment(ref _stale);
            return;
        }

        self.Inside = target;
        try
        {
            target.Ready(events);
        }
        catch (Exception error)
        {
            // A continuation that is no async method: what it throws ends where it would end on a thread of the pool.
            ThreadPool.UnsafeQueueUserWorkItem(static error => error.Throw(), ExceptionDispatchInfo.Capture(error), preferLocal: false);
        }

        self.Inside = null;
        if (SynchronizationContext.Current is not null)
        {
            SynchronizationContext.SetSynchronizationContext(null);
        }
    }

    private EpollFollower? Follower()
    {
        lock (_idle)
        {
            if (_idle.TryPop(out var idle))
            {
                return idle;
            }
        }

        if (_followers >= MostFollowers)
        {
            return null;
        }

        _followers++;
        return new EpollFollower("epoll", Lead);
    }

    private void Return(EpollFollower follower)
    {
        lock (_idle)
        {
            if (_ended)
            {
                follower.End();
            }
            else
            {
                _idle.Push(follower);
            }
        }
    }
}
