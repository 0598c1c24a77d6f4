using System.Net.Sockets;
using System.Runtime.CompilerServices;
using PluginServer.Diagnostics;

namespace PluginServer.Networking;

/// <summary>The accept loop of one endpoint: a place, a socket, hand it over, again.</summary>
internal sealed class Acceptor(Endpoint endpoint, Places host, TimeProvider time, Telemetry telemetry)
{
    private readonly AdmissionControl _admission = new(endpoint, host);
    private readonly TaskCompletionSource _hasServed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends with its first connection.</summary>
    public Task HasServed => _hasServed.Task;

    /// <summary>Accepts until <paramref name="stop"/> is cancelled. A socket that was accepted is still handed over then;
    /// <paramref name="cut"/> ends even that.</summary>
    /// <exception cref="SocketException">The listening socket is broken.</exception>
    public async Task RunAsync(CancellationToken stop, CancellationToken cut)
    {
        var backoff = new AcceptBackoff();
        while (!stop.IsCancellationRequested)
        {
            var rule = endpoint.Admission;
            using var until = CancellationTokenSource.CreateLinkedTokenSource(stop, rule.Replaced);
            while (!until.IsCancellationRequested)
            {
                await TryAcceptOneAsync(rule, backoff, until.Token, stop, cut);
            }
        }
    }

    /// <summary>Accepts what already waits in the backlog, as places come free, and asks everyone to finish when the backlog is
    /// empty or no place is free. Ends at the cut, with clients left waiting.</summary>
    public async Task DrainBacklogAsync(CancellationToken cut)
    {
        try
        {
            // No more than can have been waiting: under a load that goes on, the backlog might never be empty.
            for (var left = endpoint.Config.Backlog; left > 0; left--)
            {
                var place = await _admission.TakeAsync(draining: true, cut);
                try
                {
                    if (await TryAcceptAsync(cut) is not { } socket)
                    {
                        break;
                    }

                    await HandOverAsync(socket, Interlocked.Exchange(ref place, null), draining: true, cut);
                }
                finally
                {
                    place?.Dispose();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The cut: who is inside is cut by whoever asked for it.
        }

        endpoint.Connections.Drain();
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask TryAcceptOneAsync(AdmissionRule rule, AcceptBackoff backoff, CancellationToken until, CancellationToken stop, CancellationToken cut)
    {
        try
        {
            await AcceptOneAsync(rule, until, cut);
            backoff.Reset();
        }
        catch (OperationCanceledException) when (until.IsCancellationRequested)
        {
            // The end, or another rule holds, or the limit is lower, and the place must not be kept from the other acceptors.
        }
        catch (SocketException error)
        {
            endpoint.Counters.Plugin.AcceptErrors.Count(AcceptFaults.Name(error));
            var fault = AcceptFaults.Classify(error.SocketErrorCode);
            if (fault != AcceptFault.Stop)
            {
                await BackOffAsync(error.SocketErrorCode, fault, backoff, stop);
            }
            else if (!stop.IsCancellationRequested)
            {
                throw;
            }
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask AcceptOneAsync(AdmissionRule rule, CancellationToken until, CancellationToken cut)
    {
        Place? place = null;
        try
        {
            // The place first: at the limit, clients wait in the backlog and not in the host. Where they are refused it comes
            // after the accept: another acceptor would refuse for want of a place that is held for nobody.
            place = rule.Refuses ? null : endpoint.Places.TryTake() ?? await endpoint.Places.TakeAsync(until);
            ThrowIfShort();
            var socket = Allowed(await endpoint.Listener.AcceptAsync(until));

            // Most find both places free: the rest, with its waits, is for those who do not.
            if (_admission.TryComplete(ref place) is { } both)
            {
                Serve(socket, both);
            }
            else
            {
                await HandOverAsync(socket, Interlocked.Exchange(ref place, null), draining: false, cut);
            }
        }
        finally
        {
            place?.Dispose();
        }
    }

    /// <summary>A connection that waits in the backlog, or null when there is none any more. Where the machine is short of
    /// something, those inside are asked to finish, and who waits is served as they go.</summary>
    private async ValueTask<AcceptedSocket?> TryAcceptAsync(CancellationToken cut)
    {
        var backoff = new AcceptBackoff();
        while (true)
        {
            try
            {
                ThrowIfShort();
                return endpoint.Listener.TryAccept() is { } socket ? Allowed(socket) : null;
            }
            catch (SocketException error)
            {
                endpoint.Counters.Plugin.AcceptErrors.Count(AcceptFaults.Name(error));
                var fault = AcceptFaults.Classify(error.SocketErrorCode);
                if (fault == AcceptFault.Stop)
                {
                    return null;
                }

                endpoint.Connections.Drain();
                await BackOffAsync(error.SocketErrorCode, fault, backoff, cut);
                cut.ThrowIfCancellationRequested();
            }
        }
    }

    /// <summary>Gets the places that are still missing, and hands over.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask HandOverAsync(AcceptedSocket socket, Place? place, bool draining, CancellationToken cut)
    {
        Place? both;
        try
        {
            both = await _admission.CompleteAsync(place, draining, cut);
        }
        catch (OperationCanceledException)
        {
            socket.Dispose();
            throw;
        }

        if (both is null)
        {
            endpoint.Refuse(socket, RejectReason.Full);
        }
        else
        {
            Serve(socket, both);
        }
    }

    private void Serve(AcceptedSocket socket, Place both)
    {
        endpoint.Admit(socket, both);
        _hasServed.TrySetResult();
    }

    private AcceptedSocket Allowed(AcceptedSocket socket)
    {
        if (endpoint.Descriptors.Allows(socket.Number))
        {
            return socket;
        }

        socket.Dispose();
        throw new SocketException((int)SocketError.TooManyOpenSockets);
    }

    // As accept itself would, some descriptors later.
    private void ThrowIfShort()
    {
        if (!endpoint.Descriptors.HasRoom())
        {
            throw new SocketException((int)SocketError.TooManyOpenSockets);
        }
    }

    private async Task BackOffAsync(SocketError error, AcceptFault fault, AcceptBackoff backoff, CancellationToken stop)
    {
        var delay = backoff.After(fault);
        if (delay == TimeSpan.Zero)
        {
            // A storm of lost connections must leave the thread to others too.
            await Task.Yield();
            return;
        }

        if (telemetry.Storms.Admits(new StormCause("accept failed", endpoint.Name, error.ToString())))
        {
            Log.AcceptBacksOff(telemetry.Log, endpoint.Name, error, delay);
        }

        var released = endpoint.Descriptors.NextRelease;
        await Task.Delay(AcceptBackoff.First, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (delay > AcceptBackoff.First && !stop.IsCancellationRequested && !endpoint.Descriptors.HasRoomAgain())
        {
            // Whoever leaves makes room, of descriptors and of memory. Who left between the error and the look at it is not heard of any more, hence the question.
            await released.WaitAsync(delay - AcceptBackoff.First, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (released.IsCompleted)
        {
            // What has come free may be in other hands for a moment: a thread that starts needs two descriptors.
            backoff.Restart();
        }
    }
}
