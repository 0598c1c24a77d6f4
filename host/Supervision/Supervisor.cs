using System.Diagnostics.CodeAnalysis;
using PluginServer.Diagnostics;
using PluginServer.Networking;

namespace PluginServer.Supervision;

/// <summary>Keeps the acceptors of one endpoint alive while it is to accept: replaces those that die, opens a listening socket that broke anew,
/// and where that happens too often tries only now and then. No other endpoint and no connection ever notices.</summary>
/// <remarks>Each of the accept loops lives until it is surplus or the end, and between two acceptors asks what to do next; so whatever is asked
/// of them meanwhile, a loop that still hands over what it has accepted has no second one beside it.</remarks>
[SuppressMessage("Design", "CA1001", Justification = "Sources without timers hold nothing to dispose.")]
internal sealed partial class Supervisor(Endpoint endpoint, Func<Acceptor> create, TimeProvider time, Telemetry telemetry)
{
    private readonly Lock _gate = new();
    private readonly RestartIntensity _intensity = new(time);
    private readonly HashSet<int> _loops = [];
    private TaskCompletionSource _go = NewSignal();
    private TaskCompletionSource? _idle;
    private CancellationTokenSource? _stop;
    private CancellationTokenSource _cut = new();
    private int _wanted;
    private int _accepting;

    /// <summary>Its acceptors died too often, and none has proved itself since.</summary>
    public bool HasFailed => _intensity.HasFailed;

    /// <summary>Accepts from now on, and at once if it had failed.</summary>
    public void Start()
    {
        lock (_gate)
        {
            if (_stop is null)
            {
                _intensity.Reset();
                _stop = new CancellationTokenSource();
                _go.TrySetResult();
            }
        }
    }

    /// <summary>Accepts nothing more when it returns; what was accepted before is still handed over.</summary>
    public void Stop()
    {
        CancellationTokenSource? stop;
        lock (_gate)
        {
            stop = _stop;
            _stop = null;
            _go = stop is null ? _go : NewSignal();
        }

        // Outside: what it ends may look for the next thing to do on this thread.
        stop?.Cancel();
    }

    /// <summary>Sets how many accept loops there are; surplus ones end after what they have accepted.</summary>
    public void Resize(int count)
    {
        CancellationTokenSource? stop = null;
        lock (_gate)
        {
            var before = _wanted;
            _wanted = count;
            for (var number = 0; number < count; number++)
            {
                if (_loops.Add(number))
                {
                    // From the pool: an accept that completes at once must not keep whoever starts the endpoint.
                    var loop = number;
                    _ = Task.Run(() => KeepAcceptingAsync(loop));
                }
            }

            if (count < before && _stop is not null)
            {
                stop = _stop;
                _stop = new CancellationTokenSource();
            }
        }

        stop?.Cancel();
    }

    /// <summary>For good: after this nothing is accepted, nor a socket opened.</summary>
    public void End()
    {
        Stop();
        lock (_gate)
        {
            // A loop that wakes and is surplus ends.
            _wanted = 0;
            _go.TrySetResult();
        }
    }

    /// <summary>Drops what was accepted and still waits to be handed over.</summary>
    public void Cut()
    {
        CancellationTokenSource cut;
        lock (_gate)
        {
            cut = _cut;
            _cut = new CancellationTokenSource();
        }

        cut.Cancel();
    }

    /// <summary>Ends when everything that was accepted before a stop is handed over or dropped.</summary>
    public Task WhenIdle()
    {
        lock (_gate)
        {
            return _accepting == 0 ? Task.CompletedTask : (_idle ??= NewSignal()).Task;
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
