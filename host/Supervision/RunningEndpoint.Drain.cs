using PluginServer.Diagnostics;
using PluginServer.Networking;

namespace PluginServer.Supervision;

/// <content>How those inside are asked to finish, and cut: a drain, which others may overtake, and the end, which nothing does.</content>
internal sealed partial class RunningEndpoint
{
    private const string OutOfTime = "the host cut it: the time to finish is over";
    private static readonly TimeSpan CutGrace = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _cutBacklog = new();
    private long _cut;

    /// <summary>Stops accepting, asks those inside to finish, and cuts what is left after <paramref name="timeout"/>; the backlog is left waiting, and
    /// the endpoint ends paused. Several at once each have a deadline of their own, and each says what became of those inside. A resume, a
    /// removal and a stop of the host end it early; one that begins after the latter two does nothing.</summary>
    /// <exception cref="OperationCanceledException">Cancelled: those inside stay asked to finish, nobody is cut any more, and the endpoint is paused.
    /// Called again, it goes on where it was.</exception>
    public async Task<DrainOutcome> DrainAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        CancellationTokenSource overtaken;
        Func<bool, DrainOutcome> count;
        lock (_gate)
        {
            count = Count();
            if (_leaving)
            {
                return count(false);
            }

            Pause();
            _drains++;
            overtaken = _overtaken;
        }

        bool isComplete;
        try
        {
            using var end = CancellationTokenSource.CreateLinkedTokenSource(overtaken.Token, cancellationToken);
            await EmptyAsync(overtaken, timeout, end.Token);
            cancellationToken.ThrowIfCancellationRequested();
            await CutAsync(overtaken, end.Token);
            cancellationToken.ThrowIfCancellationRequested();
        }
        finally
        {
            isComplete = Unless(overtaken, () => _drains--);
        }

        var outcome = count(isComplete);
        if (isComplete)
        {
            // What overtook it has a line of its own.
            Log.EndpointDrained(_telemetry.Log, Endpoint.Name, Endpoint.Address, outcome.Finished, outcome.Closed, outcome.Cut);
            _telemetry.Events.Publish(HostEventKind.Drained, $"{outcome.Finished} finished, {outcome.Closed} closed, {outcome.Cut} cut", endpoint: Endpoint.Name);
        }

        return outcome;
    }

    /// <summary>For good, from whatever state: asks those inside to finish, serves what waits in the backlog, closes the listener, and at
    /// <paramref name="deadline"/> cuts what is left. Says how many were cut.</summary>
    public async Task<int> LeaveAsync(CancellationToken deadline)
    {
        End();
        using var registration = deadline.UnsafeRegister(running => ((RunningEndpoint)running!).CutWaiting(), this);
        Endpoint.Connections.Drain();
        await _supervisor.WhenIdle();
        await ServeBacklogAsync();
        await Endpoint.Handshakes.WhenEmpty();
        Endpoint.Connections.Drain();
        Endpoint.Dispose();
        await Endpoint.Connections.WhenEmpty().WaitAsync(deadline).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var cut = Endpoint.Connections.Cut(OutOfTime);

        // Their sockets are closed now; a handler that still does not return is left behind.
        await Endpoint.Connections.WhenEmpty().WaitAsync(CutGrace, _time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return cut;
    }

    private void CutWaiting()
    {
        _cutBacklog.Cancel();
        _supervisor.Cut();
        Endpoint.Handshakes.Cut();
    }

    private async Task ServeBacklogAsync()
    {
        try
        {
            await _create().DrainBacklogAsync(_cutBacklog.Token);
        }
        catch (ObjectDisposedException)
        {
            // Its port could not be bound again, so nobody waits.
        }
        catch (Exception error)
        {
            // A bug of ours must not keep the endpoint from leaving.
            Log.BacklogLost(_telemetry.Log, Endpoint.Name, error.ToString());
        }
    }

    private async Task EmptyAsync(CancellationTokenSource overtaken, TimeSpan timeout, CancellationToken end)
    {
        using var deadline = new CancellationTokenSource(timeout, _time);
        using var until = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, end);
        Unless(overtaken, () => Endpoint.Connections.Drain());
        await WhenHandedOver().WaitAsync(until.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        // Those too who had been accepted and have come in since.
        Unless(overtaken, () => Endpoint.Connections.Drain());
        await Endpoint.Connections.WhenEmpty().WaitAsync(until.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task CutAsync(CancellationTokenSource overtaken, CancellationToken end)
    {
        Unless(overtaken, () =>
        {
            _supervisor.Cut();
            Endpoint.Handshakes.Cut();
        });
        await WhenHandedOver().WaitAsync(end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (end.IsCancellationRequested)
        {
            return;
        }

        Unless(overtaken, () => _cut += Endpoint.Connections.All.Count(connection => connection.Transport.End.Cause == CloseCause.None && connection.Cut(OutOfTime)));
        await Endpoint.Connections.WhenEmpty().WaitAsync(CutGrace, _time, end).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Ends when everybody who was accepted is a connection, or gone.</summary>
    private async Task WhenHandedOver()
    {
        await _supervisor.WhenIdle();
        await Endpoint.Handshakes.WhenEmpty();
    }

    /// <summary>From now on, what becomes of those inside.</summary>
    private Func<bool, DrainOutcome> Count()
    {
        var before = Endpoint.Counters.EndedByCause;
        var cutBefore = _cut;
        return isComplete =>
        {
            lock (_gate)
            {
                var after = Endpoint.Counters.EndedByCause;
                var finished = after[(int)CloseCause.None] - before[(int)CloseCause.None];
                var cut = _cut - cutBefore;

                // A handler may not have returned yet from a connection that has ended.
                var ended = after.Sum() - before.Sum() + Endpoint.Connections.All.Count(connection => connection.Transport.End.Cause != CloseCause.None);
                return new DrainOutcome(finished, ended - finished - cut, cut, isComplete);
            }
        };
    }

    /// <summary>Does something if no later wish has come in between; says whether it did.</summary>
    private bool Unless(CancellationTokenSource overtaken, Action act)
    {
        lock (_gate)
        {
            if (_overtaken != overtaken)
            {
                return false;
            }

            act();
            return true;
        }
    }
}
