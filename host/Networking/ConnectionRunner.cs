using Microsoft.Extensions.DependencyInjection;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>Everything that happens to a connection after it has a place and a lease; it knows no listener and no other connection.</summary>
internal sealed class ConnectionRunner(TimeProvider time)
{
    private long _lastConnection;

    /// <summary>Unique over all endpoints of the host.</summary>
    public long NextConnectionId() => Interlocked.Increment(ref _lastConnection);

    /// <summary>Runs the handler to its end, closes the socket, and disposes what was made for the connection. Never throws:
    /// whatever the plugin does is booked by the connection, each exception as one fault.</summary>
    public async Task<ConnectionOutcome> RunAsync(ServedConnection connection, HandlerBinding binding)
    {
        var started = time.GetTimestamp();
        var transport = connection.Transport;
        IConnectionHandler? handler = null;
        AsyncServiceScope? scope = null;

        // None of the host's own awaits comes back to the plugin's threads, which may all be taken.
        var sound = await TryAsync(connection, () =>
        {
            scope = binding.CreateScope();
            handler = binding.Create(scope);
            return handler.HandleAsync(connection, connection.Draining) ?? throw new InvalidOperationException("HandleAsync returned null instead of a task");
        }).ConfigureAwait(false);
        await transport.FinishAsync().ConfigureAwait(false);
        sound &= await TryAsync(connection, () => DisposeAsync(handler)).ConfigureAwait(false);
        sound &= scope is not { } services || await TryAsync(connection, () => services.DisposeAsync().AsTask()).ConfigureAwait(false);
        var (cause, reason) = sound ? transport.End : (CloseCause.Fault, "the handler failed");
        return new ConnectionOutcome(cause, reason, transport.BytesReceived, transport.BytesSent, time.GetElapsedTime(started));
    }

    /// <summary>Calls plugin code, to its end. A fault ends the connection by a reset, so that an answer that was broken off does
    /// not look complete.</summary>
    /// <remarks>In an async method of its own, and without coming back to the caller's context: what the plugin does to its thread,
    /// a synchronisation context among it, would otherwise decide whether and where the host goes on.</remarks>
    private static async Task<bool> TryAsync(ServedConnection connection, Func<Task> call)
    {
        try
        {
            await call().ConfigureAwait(false);
            return true;
        }
        catch (Exception error)
        {
            if (!connection.IsFault(error))
            {
                return true;
            }

            connection.Transport.Abort(CloseCause.Fault, "the handler failed");
            connection.Book(error);
            return false;
        }
    }

    private static Task DisposeAsync(IConnectionHandler? handler)
    {
        if (handler is IAsyncDisposable disposable)
        {
            return disposable.DisposeAsync().AsTask();
        }

        (handler as IDisposable)?.Dispose();
        return Task.CompletedTask;
    }
}
