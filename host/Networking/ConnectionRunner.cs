using Microsoft.Extensions.DependencyInjection;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>Everything that happens to a connection after it has a place and a lease; it knows no listener and no other connection.</summary>
internal sealed class ConnectionRunner(TimeProvider time)
{
    private long _lastConnection;

    /// <summary>Unique over all endpoints of the host.</summary>
    public long NextConnectionId() => Interlocked.Increment(ref _lastConnection);

    /// <summary>Runs the handler to its end and closes the socket. Never throws: whatever the plugin does is in the outcome.</summary>
    public async Task<ConnectionOutcome> RunAsync(ServedConnection connection, HandlerLease lease)
    {
        var started = time.GetTimestamp();
        var transport = connection.Transport;
        IConnectionHandler? handler = null;
        AsyncServiceScope? scope = null;
        string? fault = null;
        try
        {
            (handler, scope) = lease.Binding.Create();
            await (handler.HandleAsync(connection, connection.Draining) ?? throw new InvalidOperationException("HandleAsync returned null instead of a task"));
        }
        catch (Exception error)
        {
            if (IsFault(error, connection))
            {
                // As text at once: the exception holds the plugin's code, and would keep it loaded.
                fault = error.ToString();
                transport.Abort(CloseCause.Fault, "the handler failed");
            }
        }

        await transport.FinishAsync();
        fault = await DisposeAsync(handler, scope, fault);
        var (cause, reason) = fault is null ? transport.End : (CloseCause.Fault, fault);
        return new ConnectionOutcome(cause, reason, transport.BytesReceived, transport.BytesSent, time.GetElapsedTime(started));
    }

    private static bool IsFault(Exception error, ServedConnection connection) => error switch
    {
        ConnectionClosedException => false,
        OperationCanceledException => !connection.Draining.IsCancellationRequested && !connection.Closed.IsCancellationRequested,
        _ => true,
    };

    private static async Task<string?> DisposeAsync(IConnectionHandler? handler, AsyncServiceScope? scope, string? fault)
    {
        try
        {
            switch (handler)
            {
                case IAsyncDisposable disposable:
                    await disposable.DisposeAsync();
                    break;
                case IDisposable disposable:
                    disposable.Dispose();
                    break;
            }
        }
        catch (Exception error)
        {
            fault ??= error.ToString();
        }

        try
        {
            if (scope is { } services)
            {
                await services.DisposeAsync();
            }
        }
        catch (Exception error)
        {
            fault ??= error.ToString();
        }

        return fault;
    }
}
