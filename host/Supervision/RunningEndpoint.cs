using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using PluginServer.Configuration;
using PluginServer.Networking;

namespace PluginServer.Supervision;

/// <summary>An endpoint that accepts under supervision, and how it is brought to an end.</summary>
[SuppressMessage("Design", "CA2213", Justification = "Sources without timers hold nothing to dispose, and the loop may look at them once more.")]
internal sealed class RunningEndpoint : IDisposable
{
    private static readonly TimeSpan CutGrace = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _cut = new();
    private readonly Func<Acceptor> _create;
    private readonly TimeProvider _time;
    private readonly Task _accepting;

    public RunningEndpoint(Endpoint endpoint, Func<Acceptor> create, TimeProvider time, ILogger log)
    {
        Endpoint = endpoint;
        _create = create;
        _time = time;
        var supervisor = new Supervisor(endpoint, create, time, log);

        // From the pool: an accept that completes at once must not keep whoever starts the endpoints.
        _accepting = Task.Run(() => supervisor.KeepAcceptingAsync(_stop.Token, _cut.Token));
    }

    public Endpoint Endpoint { get; }

    public EndpointState State => _stop.IsCancellationRequested ? EndpointState.Draining : EndpointState.Listening;

    /// <summary>Takes over the live part of an edit. Cannot fail.</summary>
    public void Update(EndpointConfig next) => Endpoint.Update(next);

    /// <summary>Asks those inside to finish, serves what waits in the backlog, closes the listener, and at
    /// <paramref name="deadline"/> cuts what is left. Says how many were cut.</summary>
    public async Task<int> LeaveAsync(CancellationToken deadline)
    {
        using var registration = deadline.UnsafeRegister(cut => ((CancellationTokenSource)cut!).Cancel(), _cut);
        Endpoint.Connections.Drain();
        await _stop.CancelAsync();
        await _accepting;
        await _create().DrainBacklogAsync(_cut.Token);
        Endpoint.Dispose();
        await Endpoint.Connections.WhenEmpty().WaitAsync(deadline).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var cut = Endpoint.Connections.Cut("the host cut it: the time to finish is over");

        // Their sockets are closed now; a handler that still does not return is left behind.
        await Endpoint.Connections.WhenEmpty().WaitAsync(CutGrace, _time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return cut;
    }

    public void Dispose()
    {
        _stop.Cancel();
        _cut.Cancel();
        Endpoint.Dispose();
    }
}
