namespace PluginServer.Tests.Support;

/// <summary>Does something at the n-th step of what a test runs: a continuation on its context, a timer of its time, or what else is counted as a step.</summary>
internal sealed class Interrupter
{
    private readonly SynchronizationContext _context;
    private Action _act = () => { };
    private int _left;

    public Interrupter()
    {
        _context = new Context(this);
        Time = new SteppingTime(this);
    }

    /// <summary>The system's time; each timer that is made is a step.</summary>
    public TimeProvider Time { get; }

    /// <summary>How often it has acted.</summary>
    public int Acted { get; private set; }

    /// <summary>Acts at the n-th step from now, once.</summary>
    public void Arm(int steps, Action act)
    {
        _act = act;
        Volatile.Write(ref _left, steps);
    }

    public void Step()
    {
        if (Interlocked.Decrement(ref _left) == 0)
        {
            Acted++;
            _act();
        }
    }

    /// <summary>Starts something whose continuations are steps, its beginning being the first.</summary>
    public Task<T> RunAsync<T>(Func<Task<T>> start)
    {
        var before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(_context);
        try
        {
            Step();
            return start();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }
    }

    private sealed class Context(Interrupter interrupter) : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state) => ThreadPool.QueueUserWorkItem(_ =>
        {
            interrupter.Step();
            SetSynchronizationContext(this);
            d(state);
        });
    }

    private sealed class SteppingTime(Interrupter interrupter) : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            interrupter.Step();
            return base.CreateTimer(callback, state, dueTime, period);
        }
    }
}
