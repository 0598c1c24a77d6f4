using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using PluginServer.Diagnostics;

namespace PluginServer.Networking;

/// <summary>The accept loop of one endpoint: a place, a socket, hand it over, again.</summary>
internal sealed class Acceptor(Endpoint endpoint, Places host, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(1);

    private readonly AdmissionControl _admission = new(endpoint, host);

    /// <summary>Accepts until <paramref name="stop"/> is cancelled or the listener is gone. A socket that was accepted is still
    /// handed over then; <paramref name="cut"/> ends even that.</summary>
    public async Task RunAsync(CancellationToken stop, CancellationToken cut)
    {
        var delay = FirstDelay;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await AcceptOneAsync(stop, cut);
                delay = FirstDelay;
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException error)
            {
                switch (AcceptFaults.Classify(error.SocketErrorCode))
                {
                    case AcceptFault.Stop:
                        return;
                    case AcceptFault.BackOff:
                        delay = await BackOffAsync(error, delay, stop);
                        break;
                    default:
                        endpoint.Counters.CountAcceptError();
                        break;
                }
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
                if (TryAccept() is not { } socket)
                {
                    place?.Dispose();
                    break;
                }

                await HandOverAsync(socket, place, draining: true, cut);
            }
        }
        catch (OperationCanceledException)
        {
            // The cut: who is inside is cut by whoever asked for it.
        }

        endpoint.Connections.Drain();
    }

    private async ValueTask AcceptOneAsync(CancellationToken stop, CancellationToken cut)
    {
        var rule = endpoint.Admission;
        using var until = CancellationTokenSource.CreateLinkedTokenSource(stop, rule.Replaced);
        Place? place = null;
        try
        {
            // The place first: at the limit, clients wait in the backlog and not in the host. Where they are refused it comes
            // after the accept: another acceptor would refuse for want of a place that is held for nobody.
            place = rule.Refuses ? null : await endpoint.Places.TakeAsync(until.Token);
            var socket = await endpoint.Listener.AcceptAsync(until.Token);
            await HandOverAsync(socket, Interlocked.Exchange(ref place, null), draining: false, cut);
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested && !cut.IsCancellationRequested)
        {
            // Another rule holds, or the limit is lower, and the place must not be kept from the other acceptors.
        }
        finally
        {
            place?.Dispose();
        }
    }

    private Socket? TryAccept()
    {
        while (true)
        {
            try
            {
                return endpoint.Listener.TryAccept();
            }
            catch (SocketException error)
            {
                endpoint.Counters.CountAcceptError();
                if (AcceptFaults.Classify(error.SocketErrorCode) != AcceptFault.Continue)
                {
                    return null;
                }
            }
        }
    }

    /// <summary>Gets the places that are still missing, and hands over.</summary>
    private async ValueTask HandOverAsync(Socket socket, Place? place, bool draining, CancellationToken cut)
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
            endpoint.Refuse(socket);
        }
        else
        {
            endpoint.Admit(socket, both);
        }
    }

    private async Task<TimeSpan> BackOffAsync(SocketException error, TimeSpan delay, CancellationToken stop)
    {
        endpoint.Counters.CountAcceptError();
        Log.AcceptBacksOff(log, endpoint.Name, error.SocketErrorCode, delay);
        await Task.Delay(delay, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return delay * 2 > LongestDelay ? LongestDelay : delay * 2;
    }
}
