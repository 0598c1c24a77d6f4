using System.Diagnostics.CodeAnalysis;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;

namespace PluginServer.Supervision;

/// <summary>An endpoint under supervision: whether it accepts, as operators and changes want it, and how it is brought to an end.</summary>
/// <remarks>Everything may be called at any time, from any thread, and during anything else here, a change and a stop of the host included:
/// what comes later decides, and leaving is final. A swap and an edit that keeps the endpoint leave it paused or draining.</remarks>
[SuppressMessage("Design", "CA2213", Justification = "Sources without timers hold nothing to dispose, and a drain may look at them once more.")]
internal sealed partial class RunningEndpoint : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Supervisor _supervisor;
    private readonly Func<Acceptor> _create;
    private readonly TimeProvider _time;
    private readonly Telemetry _telemetry;
    private CancellationTokenSource _overtaken = new();
    private bool _paused;
    private bool _leaving;
    private int _drains;

    public RunningEndpoint(Endpoint endpoint, Func<Acceptor> create, TimeProvider time, Telemetry telemetry)
    {
        Endpoint = endpoint;
        _supervisor = new Supervisor(endpoint, create, time, telemetry);
        _create = create;
        _time = time;
        _telemetry = telemetry;
        _supervisor.Resize(endpoint.Config.Acceptors);
        _supervisor.Start();
    }

    public Endpoint Endpoint { get; }

    public EndpointState State
    {
        get
        {
            lock (_gate)
            {
                return _leaving || _drains > 0 ? EndpointState.Draining
                    : _paused ? EndpointState.Paused
                    : _supervisor.HasFailed ? EndpointState.Failed
                    : EndpointState.Listening;
            }
        }
    }

    /// <summary>Takes over the live part of an edit. Cannot fail.</summary>
    public void Update(EndpointConfig next)
    {
        Endpoint.Update(next);
        lock (_gate)
        {
            if (!_leaving)
            {
                _supervisor.Resize(next.Acceptors);
            }
        }
    }

    /// <summary>Stops accepting: the socket stays open, and clients wait in its backlog. Who was accepted before is still served. Nothing to do
    /// when it is paused, draining or leaving; a failed endpoint is not tried again until it is resumed.</summary>
    public void Pause()
    {
        lock (_gate)
        {
            if (!_leaving && !_paused)
            {
                _paused = true;
                _supervisor.Stop();
                Log.EndpointPaused(_telemetry.Log, Endpoint.Name, Endpoint.Address);
                _telemetry.Events.Publish(HostEventKind.Paused, "clients wait in the backlog", endpoint: Endpoint.Name);
            }
        }
    }

    /// <summary>Accepts again; one that had failed before the pause is tried at once. Drains under way end with nobody cut, though those who were
    /// asked to finish still are. Nothing to do when it is neither paused nor draining, or is leaving.</summary>
    public void Resume()
    {
        CancellationTokenSource overtaken;
        lock (_gate)
        {
            if (_leaving || !_paused)
            {
                return;
            }

            _paused = false;
            overtaken = Overtake();
            _supervisor.Start();
            Log.EndpointResumed(_telemetry.Log, Endpoint.Name, Endpoint.Address);
            _telemetry.Events.Publish(HostEventKind.Resumed, "accepts again", endpoint: Endpoint.Name);
        }

        overtaken.Cancel();
    }

    public void Dispose()
    {
        End();
        CutWaiting();
        Endpoint.Dispose();
    }

    private void End()
    {
        CancellationTokenSource overtaken;
        lock (_gate)
        {
            _leaving = true;
            overtaken = Overtake();
            _supervisor.End();
        }

        overtaken.Cancel();
    }

    /// <summary>Forgets the drains under way; whoever calls it cancels what it returns, outside the lock.</summary>
    private CancellationTokenSource Overtake()
    {
        var overtaken = _overtaken;
        _overtaken = new CancellationTokenSource();
        _drains = 0;
        return overtaken;
    }
}
