using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using Microsoft.Extensions.Logging;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>One configured port at run time: its listener, who is connected, and the slot with its current handler.</summary>
internal sealed partial class Endpoint(EndpointConfig initial, Listener listener, HandlerBinding handler, Transports transports, ConnectionRunner runner, Places host, TimeProvider time, DescriptorReserve descriptors, Telemetry telemetry) : IDisposable
{
    private readonly ConnectionLimits _limits = new() { ReadLimit = initial.ReadLimit };
    private readonly Reaper _reaper = new(time, ReaperTimeouts.Of(initial));
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

    /// <summary>To put another handler in place, see <see cref="ServeBy"/>.</summary>
    public HandlerSlot Slot { get; } = new(handler);

    public AdmissionRule Admission => _admission;

    public Places Places { get; } = new(initial.MaxConnections);

    public AccessControl Access { get; } = new(initial.Access, time);

    public ConnectionSet Connections { get; } = new();

    /// <summary>Those who have come and are no connections yet.</summary>
    public HandshakeSet Handshakes { get; } = new();

    /// <summary>Exceptions of its handlers, lately.</summary>
    public RecentFaults Faults { get; } = new(time);

    public EndpointCounters Counters { get; } = new(handler.Generation.Build.Name);

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
                Log.SocketFileNotChanged(telemetry.Log, next.Name, problem);
            }
        }

        Places.Limit = next.MaxConnections;
        if (before.Overflow != next.Overflow || before.MaxConnections > next.MaxConnections)
        {
            var replaced = _admission;
            _admission = new AdmissionRule(next.Overflow == OverflowKind.Refuse);
            replaced.Replace();
        }

        _reaper.Retime(Connections, ReaperTimeouts.Of(next));
        _limits.ReadLimit = next.ReadLimit;
        Access.Update(next.Access, Connections);
        if (before.HandshakeTimeout != next.HandshakeTimeout)
        {
            Handshakes.Retime(next.HandshakeTimeout);
        }
    }

    /// <summary>Has another handler serve the connections to come.</summary>
    public void ServeBy(HandlerBinding next)
    {
        Counters.Serve(next.Generation.Build.Name);
        Slot.Exchange(next);
        foreach (var connection in Connections.All)
        {
            CatchUp(connection);
        }
    }

    /// <summary>Has a connection move to the build that serves now, if both are made for it. To be called after it was added or has moved: a change that
    /// came in between has not seen it.</summary>
    public void CatchUp(ServedConnection connection)
    {
        if (Slot.Current is { } current && current.TakesOver(connection.Binding))
        {
            connection.AskToMove();
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

    /// <summary>A connection has ended in this way.</summary>
    public void Book(ServedConnection connection, ConnectionOutcome outcome)
    {
        connection.Activity?.End(outcome);
        connection.Counters.Count(outcome);
        if (telemetry.Instruments?.ConnectionDuration is { Enabled: true } durations)
        {
            Measure(durations, connection, outcome);
        }

        if (telemetry.Log.IsEnabled(LogLevel.Debug))
        {
            Log.ConnectionEnded(telemetry.Log, Name, connection.Id, connection.RemoteName, outcome.Duration, outcome.Cause, outcome.BytesReceived, outcome.BytesSent);
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
    /// <param name="connection">Whose.</param>
    /// <param name="error">As text.</param>
    /// <param name="of">Whose code it was; null is that which serves the connection.</param>
    public void BookFault(ServedConnection connection, string error, PluginGeneration? of = null)
    {
        var (cause, generation) = (StormCause.Of(StormCause.HandlerFault, Name, error), of ?? connection.Generation);
        Counters.OfPlugin(generation.Build.Name).HandlerFaults.Count(cause.Kind);
        Faults.Count();
        if (telemetry.Storms.Admits(cause))
        {
            Log.HandlerFault(telemetry.Log, Name, connection.Id, connection.RemoteName, generation.Build.Name, generation.Number, error);
            telemetry.Events.Publish(HostEventKind.Fault, $"connection {connection.Id} from {connection.RemoteName}: {FaultText.FirstLine(error)}", generation.Build.Name, generation.Number, Name);
        }
    }

    /// <summary>Cuts a member of a group that does not take what it is sent.</summary>
    public void CutSlow(ServedConnection member, string group)
    {
        if (member.Cut($"it took too little of what its group '{group}' was sent") && telemetry.Storms.Admits(new StormCause("slow", Name, group)))
        {
            Log.SlowMemberCut(telemetry.Log, Name, member.Id, member.RemoteName, group, ConnectionGroups.MostWaiting);
            telemetry.Events.Publish(HostEventKind.Cut, $"connection {member.Id} from {member.RemoteName}, which took too little of what its group '{group}' was sent", member.Generation.Build.Name, member.Generation.Number, Name);
        }
    }

    /// <summary>How long ago a connection of this endpoint was accepted.</summary>
    public TimeSpan Age(ServedConnection connection) => time.GetElapsedTime(connection.AcceptedAt);

    public void Dispose() => _listener.Dispose();

    /// <summary>An activity for a connection whose handler is about to start; null where nobody listens.</summary>
    public Activity? Trace(ServedConnection connection) =>
        telemetry.Instruments is { } instruments && instruments.Activities.HasListeners() ? ConnectionTrace.Start(instruments.Activities, connection) : null;

    private void Measure(Histogram<double> durations, ServedConnection connection, ConnectionOutcome outcome)
    {
        var tags = new TagList { Tag.Endpoint(Name), Tag.Plugin(connection.Generation.Build.Name) };
        if (CloseCauses.Name(outcome.Cause) is { } cause)
        {
            tags.Add(Tag.Error(cause));
        }

        durations.Record(outcome.Duration.TotalSeconds, tags);
    }
}
