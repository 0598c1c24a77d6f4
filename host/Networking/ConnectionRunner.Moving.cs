using Microsoft.Extensions.DependencyInjection;
using PluginServer.Diagnostics;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <content>A connection whose handler has left its loop, so that another build may take it over.</content>
internal sealed partial class ConnectionRunner
{
    /// <summary>Puts a handler of the build that serves now in place and has it go on; where that is not possible the old one does. Never throws.</summary>
    private static async Task MoveAsync(ServedConnection connection)
    {
        connection.BeginMove();
        var home = connection.Home;
        var next = home.Slot.Lease();
        if (next is not null && !(next.TakesOver(connection.Binding) && await TryMoveAsync(connection, next).ConfigureAwait(false)))
        {
            next.Generation.ReturnLease();
        }

        // Whoever puts yet another build in place from here on finds it staying; one that came before is found here.
        connection.EndMove();
        if (home.Slot.Current?.Generation != next?.Generation)
        {
            home.CatchUp(connection);
        }

        if (connection.Generation.DrainDeadline is not null && !connection.IsAskedToMove)
        {
            // Those of its generation have been told, and it was to be no longer one of them.
            connection.Drain();
        }

        connection.Transport.Pass(connection, connection.Transport.Limits);
    }

    private static async Task<bool> TryMoveAsync(ServedConnection connection, HandlerBinding next)
    {
        var (before, state) = (connection.Binding, connection.Exchange(null));
        connection.Exchange(state?.Fork());
        IServiceScope? scope = null;
        IConnectionHandler? handler = null;
        try
        {
            await CleanContext.Run(() =>
            {
                scope = next.CreateScope();
                handler = next.Create(scope);
                if (next.Generation.Logs)
                {
                    LogScope.Current = new LogScope(connection.Endpoint, connection.Id);
                }

                return ((IMessageLoop)handler).TakeOverAsync(connection, before.Generation.Version).AsTask();
            }).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            connection.Exchange(state);
            BookFault(connection, error, next.Generation);
            await DisposeAsync(connection, handler, next.Generation).ConfigureAwait(false);
            await DisposeAsync(connection, scope, next.Generation).ConfigureAwait(false);
            return false;
        }

        await DisposeAsync(connection, connection.Handler, before.Generation).ConfigureAwait(false);
        await DisposeAsync(connection, connection.Scope, before.Generation).ConfigureAwait(false);
        connection.MoveTo(next, scope, handler!);
        return true;
    }

    private static async Task DisposeAsync(ServedConnection connection, object? made, PluginGeneration generation)
    {
        try
        {
            await CleanContext.Run(() => HandlerBinding.DisposeAsync(made)).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            BookFault(connection, error, generation);
        }
    }

    private static void BookFault(ServedConnection connection, Exception error, PluginGeneration generation)
    {
        if (connection.IsFault(error))
        {
            connection.Home.BookFault(connection, FaultText.Of(error), generation);
        }
    }
}
