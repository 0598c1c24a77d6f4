using System.Net.Sockets;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <content>The way in: from an accepted socket to a connection that is served, or to the reason why not.</content>
internal sealed partial class Endpoint
{
    /// <summary>Takes over an accepted socket and the place for it, and starts its handler, if its address may come in. Whatever goes
    /// wrong costs that socket only.</summary>
    public void Admit(AcceptedSocket socket, Place place)
    {
        var (config, remote, hold) = (_config, socket.Remote, AddressHold.None);
        HandlerBinding? binding = null;
        try
        {
            if (config.ProxyProtocol != ProxyKind.Off || _credentials is not null)
            {
                Configure(socket);
                var handshake = new Handshake(this, config, _credentials, socket, _listener.Address ?? socket.Local, time);
                Handshakes.Add(handshake);
                place.Keep();
                handshake.Begin();
                return;
            }

            if (Access.TryEnter(remote.Number, out hold) is { } reason)
            {
                Refuse(socket, reason);
                place.Dispose();
                return;
            }

            Configure(socket);
            binding = Slot.Lease() ?? throw new InvalidOperationException("the endpoint has no handler any more");
            var local = _listener.Address ?? socket.Local;
            var connection = new ServedConnection(this, binding, Transport.Attach(socket, _limits), runner.NextConnectionId(), local, remote, hold, time.GetTimestamp());
            Add(connection);
            place.Keep();
            connection.Transport.Start(connection);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The peer went away in between, mostly.
            Counters.Plugin.AcceptErrors.Count(AcceptFaults.Name(error));
            socket.Dispose();
            binding?.Generation.ReturnLease();
            Access.Leave(remote.Number, hold);
            place.Dispose();
        }
    }

    /// <summary>A client is ready: it becomes a connection, and its handler starts. Or why not.</summary>
    public Rejection? Enter(Handshake handshake, TransportConnection transport)
    {
        if (Slot.Lease() is not { } binding)
        {
            return new Rejection(RejectReason.Cut);
        }

        var connection = new ServedConnection(this, binding, transport, runner.NextConnectionId(), handshake.Local, handshake.Remote, handshake.Hold, handshake.AcceptedAt);
        Add(connection);

        // Before the handler, which may keep this thread; and after it is among the connections, so that whoever drains finds it in one of the two.
        Handshakes.Remove(handshake);
        transport.Pass(connection, _limits);
        return null;
    }

    /// <summary>Closes an accepted socket that gets no further.</summary>
    public void Refuse(AcceptedSocket socket, RejectReason reason)
    {
        var remote = socket.Remote;
        socket.Dispose();
        Reject(remote, new Rejection(reason));
    }

    /// <summary>Counts a client that got no further, and says why, once a second for each reason. Who went away by itself is no news.</summary>
    public void Reject(ConnectionAddress remote, Rejection rejection)
    {
        Counters.Plugin.CountRejected(rejection.Reason);
        if (rejection.Reason is not (RejectReason.Left or RejectReason.Cut) && telemetry.Storms.Admits(new StormCause("rejected", Name, RejectReasons.Name(rejection.Reason))))
        {
            var explanation = RejectReasons.Explain(rejection.Reason);
            Log.ClientRejected(telemetry.Log, Name, remote.ToString(), rejection.Detail is null ? explanation : $"{explanation}: {rejection.Detail}");
        }
    }

    private void Add(ServedConnection connection)
    {
        connection.Counters.CountAccepted();
        Connections.Add(connection);
        _reaper.Watch(Connections);
        Access.Settle(connection);
        CatchUp(connection);
        if (connection.Generation.DrainDeadline is not null && !connection.IsAskedToMove)
        {
            // Replaced since the lease was taken, and those inside have been told already.
            connection.Drain();
        }
    }

    private void Configure(AcceptedSocket socket)
    {
        var config = _config;
        if (_listener.Port != 0 && _listener.NoDelay != config.Socket.NoDelay)
        {
            socket.SetOption(SocketOptionLevel.Tcp, SocketOptionName.NoDelay, config.Socket.NoDelay ? 1 : 0);
        }

        if (config.Socket.KeepAlive)
        {
            socket.SetOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, 1);
        }

        // Left alone unless configured: a fixed size switches the system's automatic tuning off.
        if (config.Socket.ReceiveBuffer > 0)
        {
            socket.SetOption(SocketOptionLevel.Socket, SocketOptionName.ReceiveBuffer, config.Socket.ReceiveBuffer);
        }

        if (config.Socket.SendBuffer > 0)
        {
            socket.SetOption(SocketOptionLevel.Socket, SocketOptionName.SendBuffer, config.Socket.SendBuffer);
        }
    }
}
