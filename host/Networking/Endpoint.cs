using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>One configured port at run time: its listener, who is connected, and the slot with its current handler.</summary>
internal sealed class Endpoint(EndpointConfig initial, Listener listener, HandlerBinding handler, Transports transports, ConnectionRunner runner, Places host, TimeProvider time, DescriptorReserve descriptors, ILogger log, StormLog storms) : IDisposable
{
    private readonly ConnectionLimits _limits = new() { ReadLimit = initial.ReadLimit };
    private readonly Reaper _reaper = new(time, new ReaperTimeouts(initial.IdleTimeout, initial.MaxLifetime));
    private readonly Lock _gate = new();
    private volatile EndpointConfig _config = initial;
    private volatile AdmissionRule _admission = new(initial.Overflow == OverflowKind.Refuse);
    private volatile Listener _listener = listener;
    private volatile TlsCredentials? _credentials;

    public EndpointConfig Config => _config;

    public string Name => _config.Name;

    public EndPoint LocalEndPoint => _listener.LocalEndPoint;

    /// <summary>The real one where the configuration says 0; 0 where it listens on none.</summary>
    public int Port => _listener.Port;

    /// <summary>Where it listens, as configured, with the real port where the configuration says 0.</summary>
    public string Address => (_config with { Port = Port }).ListensOn;

    public Listener Listener => _listener;

    /// <summary>Of the next connection.</summary>
    public Transport Transport => transports.For(_config.Transport);

    /// <summary>Of the next handshake; null on plain TCP. Those that are connected keep what theirs was made with.</summary>
    public TlsCredentials? Credentials
    {
        get => _credentials;
        set => _credentials = value;
    }

    public DescriptorReserve Descriptors => descriptors;

    public ConnectionRunner Runner => runner;

    public HandlerSlot Slot { get; } = new(handler);

    public AdmissionRule Admission => _admission;

    public Places Places { get; } = new(initial.MaxConnections);

    public AccessControl Access { get; } = new(initial.Access, time);

    public ConnectionSet Connections { get; } = new();

    /// <summary>Those who have come and are no connections yet.</summary>
    public HandshakeSet Handshakes { get; } = new();

    public EndpointCounters Counters { get; } = new();

    /// <summary>Takes over the live part of an edit: limits for everyone, the rest for those that come. Closes nothing.</summary>
    public void Update(EndpointConfig next)
    {
        EndpointConfig before;
        lock (_gate)
        {
            before = _config;
            _config = next;
            if (before.Backlog != next.Backlog)
            {
                _listener.SetBacklog(next.Backlog);
            }

            if ((before.UnixMode, before.UnixOwner) != (next.UnixMode, next.UnixOwner) && _listener.SetOwner(next) is { } problem)
            {
                Log.SocketFileNotChanged(log, next.Name, problem);
            }
        }

        Places.Limit = next.MaxConnections;
        if (before.Overflow != next.Overflow || before.MaxConnections > next.MaxConnections)
        {
            var replaced = _admission;
            _admission = new AdmissionRule(next.Overflow == OverflowKind.Refuse);
            replaced.Replace();
        }

        _reaper.Retime(Connections, new ReaperTimeouts(next.IdleTimeout, next.MaxLifetime));
        _limits.ReadLimit = next.ReadLimit;
        Access.Update(next.Access, Connections);
        if (before.HandshakeTimeout != next.HandshakeTimeout)
        {
            Handshakes.Retime(next.HandshakeTimeout);
        }
    }

    /// <summary>Closes the listening socket, which is broken, and opens another one at the same address and port.</summary>
    /// <exception cref="ListenException">It could not; the broken one is closed all the same.</exception>
    public void Reopen()
    {
        lock (_gate)
        {
            _listener.Dispose();
            _listener = Listener.Bind(_config with { Port = Port }, Transport, transports.Systemd);
        }
    }

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
            Counters.CountAcceptError();
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
        Counters.CountRejected(rejection.Reason);
        if (rejection.Reason is not (RejectReason.Left or RejectReason.Cut) && storms.Admits(new StormCause("rejected", Name, RejectReasons.Name(rejection.Reason))))
        {
            var explanation = RejectReasons.Explain(rejection.Reason);
            Log.ClientRejected(log, Name, remote.EndPoint, rejection.Detail is null ? explanation : $"{explanation}: {rejection.Detail}");
        }
    }

    /// <summary>A connection has ended in this way.</summary>
    public void Book(ServedConnection connection, ConnectionOutcome outcome)
    {
        Counters.Count(outcome);
        if (log.IsEnabled(LogLevel.Debug))
        {
            Log.ConnectionEnded(log, Name, connection.Id, connection.RemoteEndPoint, outcome.Duration, outcome.Cause, outcome.BytesReceived, outcome.BytesSent);
        }
    }

    /// <summary>Nothing of a connection is left: its place and its lease are free.</summary>
    public void Leave(ServedConnection connection)
    {
        Connections.Remove(connection);
        connection.Generation.ReturnLease();
        if (connection.LetGo() == AddressHold.Counted)
        {
            Access.Leave(connection.RemoteNumber, AddressHold.Counted);
        }

        Release();
    }

    /// <summary>A client that had its places has gone, and its socket is closed.</summary>
    public void Release()
    {
        Places.Return();
        host.Return();
        descriptors.Release();
    }

    /// <summary>At any time of a connection, and after it: a callback of <see cref="Connection.Closed"/> may come late.</summary>
    public void BookFault(ServedConnection connection, string error)
    {
        Counters.CountHandlerFault();
        if (storms.Admits(StormCause.Of("handler fault", Name, error)))
        {
            Log.HandlerFault(log, Name, connection.Id, connection.RemoteEndPoint, connection.Generation.Build.Name, connection.Generation.Number, error);
        }
    }

    /// <summary>How long ago a connection of this endpoint was accepted.</summary>
    public TimeSpan Age(ServedConnection connection) => time.GetElapsedTime(connection.AcceptedAt);

    public void Dispose() => _listener.Dispose();

    private void Add(ServedConnection connection)
    {
        Counters.CountAccepted();
        Connections.Add(connection);
        _reaper.Watch(Connections);
        Access.Settle(connection);
        if (connection.Generation.DrainDeadline is not null)
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
