using PluginServer.Diagnostics;
using PluginServer.Networking;

namespace PluginServer.Supervision;

/// <content>The end of one connection, and that of all.</content>
internal sealed partial class Server
{
    /// <summary>Ends a connection by a reset, because an operator says so; null when there is none of that number any more.</summary>
    public ServedConnection? Cut(long id)
    {
        // Whose handler has not returned yet may have ended all the same.
        if (Inside.FirstOrDefault(connection => connection.Id == id) is not { Transport.End.Cause: CloseCause.None } connection || !connection.Cut("an operator cut it"))
        {
            return null;
        }

        Log.ConnectionCut(_log, connection.Home.Name, id, connection.RemoteName);
        Events.Publish(HostEventKind.Cut, $"connection {id} from {connection.RemoteName}, by an operator", connection.Generation.Build.Name, connection.Generation.Number, connection.Home.Name);
        return connection;
    }

    /// <summary>Not ready at once; accepts for <c>shutdownDelay</c> more, drains every endpoint within <c>shutdownTimeout</c>,
    /// cuts what is left then or when <paramref name="cutNow"/> is cancelled, and stops the plugins' services.</summary>
    /// <returns>How many connections were cut.</returns>
    public async Task<int> StopAsync(string signal, CancellationToken cutNow)
    {
        IsReady = false;
        Log.Stopping(_log, signal, Config.ShutdownDelay);
        Events.Publish(HostEventKind.Stopping, $"on {signal}");
        await Task.Delay(Config.ShutdownDelay, _time, cutNow).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Log.Draining(_log, Endpoints.Sum(endpoint => endpoint.Connections.Count), Config.ShutdownTimeout);
        using var timeout = new CancellationTokenSource(Config.ShutdownTimeout, _time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cutNow);

        // Endpoints that were removed before have deadlines of their own, which a stop only brings forward.
        await using var registration = deadline.Token.UnsafeRegister(_ => CutLeaving(), null);
        var cut = (await Task.WhenAll(_running.Select(running => running.LeaveAsync(deadline.Token)).Concat(_leaving.Values))).Sum();
        if (cut > 0)
        {
            Log.ConnectionsCut(_log, cut);
        }

        await Task.WhenAll(Generations.Select(generation => generation.StopAsync()));
        Log.Stopped(_log);
        return cut;
    }

    private void CutLeaving()
    {
        foreach (var leaving in _leaving.Keys)
        {
            leaving.Endpoint.Connections.Cut("the host stops");
        }
    }
}
