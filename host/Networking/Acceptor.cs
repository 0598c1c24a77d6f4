using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using PluginServer.Diagnostics;

namespace PluginServer.Networking;

/// <summary>The accept loop of one endpoint: a place, a socket, hand it over, again.</summary>
internal sealed class Acceptor(Endpoint endpoint, Places host, TimeProvider time, ILogger log, StormLog storms)
{

    /// <summary>Accepts until <paramref name="stop"/> is cancelled or the listener is gone. A socket that was accepted is still
    /// handed over then; <paramref name="cut"/> ends even that.</summary>
    public async Task RunAsync(CancellationToken stop, CancellationToken cut)
    {
        var backoff = new AcceptBackoff();
        while (!stop.IsCancellationRequested)
        {
            Place? place = null;
            try
            {
                // The place first: at the limit, clients wait in the backlog and not in the host.
                place = await endpoint.Places.TakeAsync(stop);
                var socket = await AcceptAsync(stop);
                await HandOverAsync(socket, Interlocked.Exchange(ref place, null)!, draining: false, cut);
                backoff.Reset();
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (SocketException error)
            {
                endpoint.Counters.CountAcceptError();
                var fault = AcceptFaults.Classify(error.SocketErrorCode);
                if (fault == AcceptFault.Stop)
                {
                    return;
                }

                await BackOffAsync(error.SocketErrorCode, backoff.After(fault), stop);
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

                if (await TryAcceptAsync(cut) is not { } socket)
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

    /// <summary>A connection that waits in the backlog, or null when there is none any more. Where the machine is short of
    /// something, those inside are asked to finish, and who waits is served as they go.</summary>
    private async ValueTask<Socket?> TryAcceptAsync(CancellationToken cut)
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
                endpoint.Counters.CountAcceptError();
                var fault = AcceptFaults.Classify(error.SocketErrorCode);
                if (fault == AcceptFault.Stop)
                {
                    return null;
                }

                endpoint.Connections.Drain();
                await BackOffAsync(error.SocketErrorCode, backoff.After(fault), cut);
                cut.ThrowIfCancellationRequested();
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

    private async ValueTask<Socket> AcceptAsync(CancellationToken stop)
    {
        ThrowIfShort();
        return Allowed(await endpoint.Listener.AcceptAsync(stop));
    }

    private Socket Allowed(Socket socket)
    {
        if (endpoint.Descriptors.Allows(socket))
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

    private async Task BackOffAsync(SocketError error, TimeSpan delay, CancellationToken stop)
    {
        if (delay == TimeSpan.Zero)
        {
            // A storm of lost connections must leave the thread to others too.
            await Task.Yield();
            return;
        }

        if (storms.Admits(new StormCause("accept failed", endpoint.Name, error.ToString())))
        {
            Log.AcceptBacksOff(log, endpoint.Name, error, delay);
        }

        var released = endpoint.Descriptors.NextRelease;
        await Task.Delay(AcceptBackoff.First, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (delay > AcceptBackoff.First && !stop.IsCancellationRequested)
        {
            // Whoever leaves makes room, of descriptors and of memory.
            await released.WaitAsync(delay - AcceptBackoff.First, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
