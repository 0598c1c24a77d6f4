using System.Diagnostics;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>Everything that happens to a connection after it has a place and a lease; it knows no listener and no other connection.</summary>
/// <remarks>Nothing of it is an async method while the handler runs: a waiting one would take as much memory as the connection itself.</remarks>
internal sealed partial class ConnectionRunner(TimeProvider time)
{
    private long _lastConnection;

    /// <summary>Unique over all endpoints of the host.</summary>
    public long NextConnectionId() => Interlocked.Increment(ref _lastConnection);

    /// <summary>Starts the handler; the connection ends with it. Never throws: whatever the plugin does is booked by the
    /// connection, each exception as one fault.</summary>
    public static void Run(ServedConnection connection)
    {
        var running = connection.Running = Start(connection);
        if (running.IsCompleted)
        {
            End(connection);
        }
        else
        {
            // None of the host's own awaits comes back to the plugin's threads, which may all be taken.
            running.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(connection.Returned);
        }
    }

    /// <summary>The handler's task has ended. Called in the plugin's context, which is not to be carried into what the host does next.</summary>
    public static void End(ServedConnection connection) =>
        CleanContext.Run(
            static state =>
            {
                var connection = (ServedConnection)state!;
                _ = connection.Handler is IMessageLoop { HasLeft: true } ? MoveAsync(connection) : connection.Home.Runner.EndAsync(connection);
            },
            connection);

    /// <summary>Calls the plugin. What it throws is in the task, and a synchronisation context that it leaves behind is not the thread's.</summary>
    private static Task Start(ServedConnection connection)
    {
        var (before, binding) = (SynchronizationContext.Current, connection.Binding);
        try
        {
            var handler = connection.Handler ?? Make(connection, binding);
            if (binding.Generation.Logs)
            {
                LogScope.Current = new LogScope(connection.Endpoint, connection.Id);
            }

            return handler.HandleAsync(connection, connection.Draining) ?? throw new InvalidOperationException("HandleAsync returned null instead of a task");
        }
        catch (Exception error)
        {
            return Task.FromException(error);
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);

            // What flows with the handler does not stay with this thread.
            if (binding.Generation.Logs)
            {
                LogScope.Current = null;
            }

            if (connection.Activity is not null)
            {
                Activity.Current = null;
            }
        }
    }

    private static IConnectionHandler Make(ServedConnection connection, HandlerBinding binding)
    {
        var scope = connection.Scope = binding.CreateScope();
        var handler = connection.Handler = binding.Create(scope);
        connection.Activity = connection.Home.Trace(connection);
        return handler;
    }

    /// <summary>Closes the socket, disposes what was made for the connection, and has its endpoint take leave of it.</summary>
    private async Task EndAsync(ServedConnection connection)
    {
        var (transport, home) = (connection.Transport, connection.Home);
        try
        {
            connection.Over();
            var sound = await TryAsync(connection, static connection => connection.Running!).ConfigureAwait(false);
            await transport.FinishAsync().ConfigureAwait(false);
            if (connection.Handler is IAsyncDisposable or IDisposable)
            {
                sound &= await TryAsync(connection, static connection => HandlerBinding.DisposeAsync(connection.Handler)).ConfigureAwait(false);
            }

            if (connection.Scope is not null)
            {
                sound &= await TryAsync(connection, static connection => HandlerBinding.DisposeAsync(connection.Scope)).ConfigureAwait(false);
            }

            var (cause, reason) = sound ? transport.End : (CloseCause.Fault, "the handler failed");
            home.Book(connection, new ConnectionOutcome(cause, reason, transport.BytesReceived, transport.BytesSent, time.GetElapsedTime(connection.AcceptedAt)));
        }
        finally
        {
            // Whoever still has the connection has nothing of the plugin's by it.
            (connection.Handler, connection.Scope, connection.Running) = (null, null, null);
            home.Leave(connection);
        }
    }

    /// <summary>Calls plugin code, to its end. A fault ends the connection by a reset, so that an answer that was broken off does
    /// not look complete.</summary>
    /// <remarks>In an async method of its own, and without coming back to the caller's context: what the plugin does to its thread,
    /// a synchronisation context among it, would otherwise decide whether and where the host goes on.</remarks>
    private static async Task<bool> TryAsync(ServedConnection connection, Func<ServedConnection, Task> call)
    {
        try
        {
            await call(connection).ConfigureAwait(false);
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
}
