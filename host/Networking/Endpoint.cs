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

    public EndpointConfig Config => _config;

    public string Name => _config.Name;

    public IPEndPoint LocalEndPoint => _listener.LocalEndPoint;

    /// <summary>"address:port" as configured, with the real port where the configuration says 0.</summary>
    public string Address => (_config with { Port = LocalEndPoint.Port }).AddressAndPort;

    public Listener Listener => _listener;

    /// <summary>Of the next connection.</summary>
    public Transport Transport => transports.For(_config.Transport);

    public DescriptorReserve Descriptors => descriptors;

    public ConnectionRunner Runner => runner;

    public HandlerSlot Slot { get; } = new(handler);

    public AdmissionRule Admission => _admission;

    public Places Places { get; } = new(initial.MaxConnections);

    public ConnectionSet Connections { get; } = new();

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
    }

    /// <summary>Closes the listening socket, which is broken, and opens another one at the same address and port.</summary>
    /// <exception cref="ListenException">It could not; the broken one is closed all the same.</exception>
    public void Reopen()
    {
        lock (_gate)
        {
            _listener.Dispose();
            _listener = Listener.Bind(_config with { Port = LocalEndPoint.Port }, Transport);
        }
    }

    /// <summary>Takes over an accepted socket and the place for it, and starts its handler. Whatever goes
    /// wrong costs that socket only.</summary>
    public void Admit(AcceptedSocket socket, Place place)
    {
        HandlerBinding? binding = null;
        try
        {
            Configure(socket);
            binding = Slot.Lease() ?? throw new InvalidOperationException("the endpoint has no handler any more");
            var (local, remote) = (_listener.Address ?? socket.Local, socket.Remote);
            var connection = new ServedConnection(this, binding, Transport.Attach(socket, _limits), runner.NextConnectionId(), local, remote, time.GetTimestamp());
            Counters.CountAccepted();
            Connections.Add(connection);
            _reaper.Watch(Connections);
            if (binding.Generation.DrainDeadline is not null)
            {
                // Replaced since the lease was taken, and those inside have been told already.
                connection.Drain();
            }

            place.Keep();
            connection.Transport.Start(connection);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The peer went away in between, mostly.
            Counters.CountAcceptError();
            socket.Dispose();
            binding?.Generation.ReturnLease();
            place.Dispose();
        }
    }

    /// <summary>Closes an accepted socket for which there is no place.</summary>
    public void Refuse(AcceptedSocket socket)
    {
        Counters.CountRejected();
        socket.Dispose();
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

    private void Configure(AcceptedSocket socket)
    {
        var config = _config;
        if (_listener.NoDelay != config.Socket.NoDelay)
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
