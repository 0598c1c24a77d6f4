using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace PluginServer.Plugins;

/// <summary>Threads that only one generation can use up: its handlers go on here, and so does what they await here.</summary>
/// <remarks>They come as they are needed and go when they are not, so a generation that is gone has none.</remarks>
internal sealed class GenerationThreads(string name, Func<bool> isWanted, Action<TimeSpan> ran) : SynchronizationContext
{
    /// <summary>With so many of its handlers blocking at once, a generation's others wait until one goes on.</summary>
    public const int Most = 256;

    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(5);

    /// <summary>Work that has waited for so long gets one more thread: blocked ones are made up for, and short work is not run by a crowd.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(2);

    private readonly object _gate = new();
    private readonly Queue<(SendOrPostCallback Work, object? State, long Since)> _queue = new();

    /// <summary>When each thread that is inside the plugin went in.</summary>
    private readonly Dictionary<int, long> _inside = [];
    private int _idle;
    private int _threads;
    private bool _watched;

    public int Threads
    {
        get
        {
            lock (_gate)
            {
                return _threads;
            }
        }
    }

    /// <summary>For how long one of them has been inside the plugin by now, at most.</summary>
    public TimeSpan LongestInside
    {
        get
        {
            lock (_gate)
            {
                return _inside.Count == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(_inside.Values.Min());
            }
        }
    }

    public override SynchronizationContext CreateCopy() => this;

    /// <summary>By an await that began here: it goes on here, or, once these threads are not wanted any more, free of them on the thread pool.</summary>
    public override void Post(SendOrPostCallback d, object? state)
    {
        if (isWanted())
        {
            Run(d, state);
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(static work => work.Work(work.State), (Work: d, State: state), preferLocal: false);
        }
    }

    public void Run(SendOrPostCallback work, object? state)
    {
        lock (_gate)
        {
            _queue.Enqueue((work, state, Stopwatch.GetTimestamp()));
            if (_threads == 0)
            {
                StartThread();
            }
            else if (_idle > 0)
            {
                Monitor.Pulse(_gate);
            }

            if (!_watched)
            {
                _watched = true;
                new Thread(Watch) { IsBackground = true, Name = $"{name} watch" }.UnsafeStart();
            }
        }
    }

    private void StartThread()
    {
        _threads++;
        new Thread(Work) { IsBackground = true, Name = name }.UnsafeStart();
    }

    private void Work()
    {
        var clean = ExecutionContext.Capture()!;
        while (RunNext())
        {
            // What a handler has left on the thread is not for whoever is next.
            ExecutionContext.Restore(clean);
        }
    }

    // Apart from the loop, so that no frame that lasts holds the plugin's code.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool RunNext()
    {
        if (!TryTake(out var work, out var state))
        {
            return false;
        }

        var started = Stopwatch.GetTimestamp();
        SetSynchronizationContext(this);
        try
        {
            work(state);
        }
        catch (Exception error)
        {
            // It ends where it would have ended on a thread of the pool.
            ThreadPool.UnsafeQueueUserWorkItem(static error => error.Throw(), ExceptionDispatchInfo.Capture(error), preferLocal: false);
        }

        lock (_gate)
        {
            _inside.Remove(Environment.CurrentManagedThreadId);
        }

        ran(Stopwatch.GetElapsedTime(started));
        return true;
    }

    private bool TryTake(out SendOrPostCallback work, out object? state)
    {
        lock (_gate)
        {
            while (_queue.Count == 0)
            {
                _idle++;
                var called = Monitor.Wait(_gate, Idle);
                _idle--;
                if (!called && _queue.Count == 0)
                {
                    _threads--;
                    (work, state) = (static _ => { }, null);
                    return false;
                }
            }

            (work, state, _) = _queue.Dequeue();
            _inside[Environment.CurrentManagedThreadId] = Stopwatch.GetTimestamp();
            return true;
        }
    }

    /// <summary>Adds a thread whenever work has waited too long; ends when there is no thread left.</summary>
    private void Watch()
    {
        while (true)
        {
            Thread.Sleep(Patience);
            lock (_gate)
            {
                if (_threads == 0 && _queue.Count == 0)
                {
                    _watched = false;
                    return;
                }

                if (_queue.TryPeek(out var next) && Stopwatch.GetElapsedTime(next.Since) >= Patience && _threads < Most)
                {
                    StartThread();
                }
            }
        }
    }
}
