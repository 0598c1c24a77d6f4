using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace PluginServer.Networking;

/// <summary>Looks once a tick whether the leader of a loop goes on, and sleeps while the loop has nothing to do.</summary>
[SuppressMessage("Design", "CA1001", Justification = "Lives as long as its thread, and holds no handle.")]
internal sealed class EpollMonitor
{
    /// <summary>Each tick costs the loop's processor some 20 us, so they are rarer while no handler has blocked for <see cref="AlertTicks"/>.</summary>
    private const int AlertMilliseconds = 2, CalmMilliseconds = 4;
    private const int AlertTicks = 5000;

    /// <summary>So many ticks without an event, and it sleeps until there is one.</summary>
    private const int IdleTicks = 15;

    /// <summary>Who has computed for so long keeps the loop's thread as much as who sleeps in it; for less, the thread may have been without a processor.</summary>
    private static readonly TimeSpan LongComputation = TimeSpan.FromMilliseconds(50);
    private readonly EpollLoop _loop;
    private readonly List<(EpollFollower Follower, IEpollTarget Inside, long Since)> _suspects = [];
    private readonly SemaphoreSlim _awake = new(0);
    private int _alert;
    private volatile bool _sleeps;

    public EpollMonitor(EpollLoop loop)
    {
        _loop = loop;
        new Thread(Run) { IsBackground = true, Name = "epoll monitor" }.UnsafeStart();
    }

    /// <summary>By the leader, after each wait.</summary>
    public void Wake()
    {
        if (_sleeps)
        {
            _sleeps = false;
            _awake.Release();
        }
    }

    /// <summary>A leader was replaced; whether its handler is to blame shows now or in a while.</summary>
    public void Suspect(EpollFollower follower, IEpollTarget inside)
    {
        _suspects.Add((follower, inside, Stopwatch.GetTimestamp()));
        Judge();
    }

    private void Judge()
    {
        for (var index = _suspects.Count - 1; index >= 0; index--)
        {
            var (follower, inside, since) = _suspects[index];
            var blocks = false;
            if (follower.Inside == inside && !(blocks = follower.IsAsleep || Stopwatch.GetElapsedTime(since) > LongComputation))
            {
                continue;
            }

            _suspects.RemoveAt(index);
            if (blocks)
            {
                _alert = AlertTicks;
                _loop.Blocked?.Invoke(inside);
            }
        }
    }

    private void Run()
    {
        var last = _loop.Progress;
        var idle = 0;
        while (!_loop.HasEnded)
        {
            Thread.Sleep(_alert > 0 ? AlertMilliseconds : CalmMilliseconds);
            _alert = Math.Max(_alert - 1, 0);
            Judge();
            var now = _loop.Progress;
            if (now != last)
            {
                idle = 0;
            }
            else if (!EpollLoop.Waits(now.State))
            {
                // Of what was seen and not of now: a leader in the kernel must never be replaced, for two would wait on one array.
                _loop.Replace(now.State);
            }
            else if (++idle > IdleTicks && _suspects.Count == 0)
            {
                Sleep();
                idle = 0;
            }

            last = now;
        }
    }

    private void Sleep()
    {
        _sleeps = true;

        // The leader leaves its wait and then looks for a sleeper; this does the reverse. One of them sees the other.
        Interlocked.MemoryBarrier();
        if (_loop.IsWaiting)
        {
            _awake.Wait();
        }
        else
        {
            _sleeps = false;
        }
    }
}
