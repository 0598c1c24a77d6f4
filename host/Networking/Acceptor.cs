using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using PluginServer.Diagnostics;

namespace PluginServer.Networking;

/// <summary>The accept loop of one endpoint: a place, a socket, hand it over, again.</summary>
internal sealed class Acceptor(Endpoint endpoint, Places host, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(1);
    private readonly TaskCompletionSource _hasServed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends with its first connection.</summary>
    public Task HasServed => _hasServed.Task;

    /// <summary>Accepts until <paramref name="stop"/> is cancelled. A socket that was accepted is still handed over then;
    /// <paramref name="cut"/> ends even that.</summary>
    /// <exception cref="SocketException">The listening socket is broken.</exception>
    public async Task RunAsync(CancellationToken stop, CancellationToken cut)
    {
        var delay = FirstDelay;
        while (!stop.IsCancellationRequested)
        {
            Place? place = null;
            try
            {
                // The place first: at the limit, clients wait in the backlog and not in the host.
                place = await endpoint.Places.TakeAsync(stop);
                var socket = await endpoint.Listener.AcceptAsync(stop);
                await HandOverAsync(socket, Interlocked.Exchange(ref place, null)!, draining: false, cut);
                _hasServed.TrySetResult();
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
                    case AcceptFault.Stop when stop.IsCancellationRequested:
                        return;
                    case AcceptFault.Stop:
                        throw;
                    case AcceptFault.BackOff:
                        delay = await BackOffAsync(error, delay, stop);
                        break;
                    default:
                        endpoint.Counters.CountAcceptError();
                        break;
                }
            }
            finally
            {
                place?.Dispose();
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
                var place = endpoint.Places.TryTake();
                if (place is null)
                {
                    endpoint.Connections.Drain();
                    place = await endpoint.Places.TakeAsync(cut);
                }

                if (TryAccept() is not { } socket)
                {
                    place.Dispose();
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

    /// <summary>Waits for the host's limit too, then hands over. Only after the accept: a place of the host's held while nobody
    /// comes would be missing on the other endpoints.</summary>
    private async ValueTask HandOverAsync(Socket socket, Place place, bool draining, CancellationToken cut)
    {
        var also = host.TryTake();
        try
        {
            if (also is null)
            {
                if (draining)
                {
                    endpoint.Connections.Drain();
                }

                also = await host.TakeAsync(cut);
            }
        }
        catch (OperationCanceledException)
        {
            socket.Dispose();
            place.Dispose();
            throw;
        }

        endpoint.Admit(socket, place.With(also));
    }

    private async Task<TimeSpan> BackOffAsync(SocketException error, TimeSpan delay, CancellationToken stop)
    {
        endpoint.Counters.CountAcceptError();
        Log.AcceptBacksOff(log, endpoint.Name, error.SocketErrorCode, delay);
        await Task.Delay(delay, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return delay * 2 > LongestDelay ? LongestDelay : delay * 2;
    }
}
