using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>The <see cref="Connection"/> that a handler sees, over what the transport made of its socket.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A source without timer holds nothing to dispose, and Drain may come at any time.")]
internal sealed class ServedConnection(long id, string endpoint, PluginGeneration generation, Socket socket, TransportConnection transport, long acceptedAt) : Connection
{
    // One per connection and not one for all: a plugin that forgets a registration pins nothing but its own connection.
    private readonly CancellationTokenSource _draining = new();

    public override long Id => id;

    public override string Endpoint => endpoint;

    public override EndPoint LocalEndPoint { get; } = Unmapped(socket.LocalEndPoint);

    public override EndPoint RemoteEndPoint { get; } = Unmapped(socket.RemoteEndPoint);

    public override PipeReader Input => transport.Input;

    public override PipeWriter Output => transport.Output;

    public override CancellationToken Closed => transport.Closed;

    public TransportConnection Transport => transport;

    /// <summary>What it is served by, from its first byte to its last.</summary>
    public PluginGeneration Generation => generation;

    /// <summary>When it was accepted, as a timestamp of the host's time.</summary>
    public long AcceptedAt => acceptedAt;

    /// <summary>The reaper's own; null until it has looked.</summary>
    public Pulse? Pulse { get; set; }

    public CancellationToken Draining => _draining.Token;

    /// <summary>Asks the handler to finish. Its callbacks are plugin code, so they run on the thread pool.</summary>
    public void Drain() => _ = _draining.CancelAsync();

    public override void Abort(string reason)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(reason);
        transport.Abort(CloseCause.Aborted, reason);
    }

    /// <summary>Ends it from the host's side; false when it had already ended otherwise.</summary>
    public bool Cut(string reason)
    {
        transport.Abort(CloseCause.Cut, reason);
        return transport.End.Cause == CloseCause.Cut;
    }

    private static EndPoint Unmapped(EndPoint? address) => address switch
    {
        IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped => new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port),
        { } other => other,
        null => new IPEndPoint(IPAddress.None, 0),
    };
}
