using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;
using PluginServer.Diagnostics;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>The <see cref="Connection"/> that a handler sees, over what the transport made of its socket.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A source without timer holds nothing to dispose, and Drain may come at any time.")]
internal sealed class ServedConnection(long id, string endpoint, PluginGeneration generation, EndPoint? local, EndPoint? remote, TransportConnection transport, long acceptedAt, Action<ServedConnection, string> book) : Connection
{
    // One per connection and not one for all: a plugin that forgets a registration pins nothing but its own connection.
    private readonly CancellationTokenSource _draining = new();

    public override long Id => id;

    public override string Endpoint => endpoint;

    public override EndPoint LocalEndPoint { get; } = Unmapped(local);

    public override EndPoint RemoteEndPoint { get; } = Unmapped(remote);

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
    public void Drain() => _ = DrainAsync();

    /// <summary>Whether the contract calls it a fault that this exception escaped.</summary>
    public bool IsFault(Exception error) => error switch
    {
        ConnectionClosedException => false,
        OperationCanceledException => !Draining.IsCancellationRequested && !Closed.IsCancellationRequested,
        _ => true,
    };

    /// <summary>Has a fault counted and logged, as text at once: the exception holds the plugin's code, and would keep it loaded.</summary>
    public void Book(Exception fault) => book(this, FaultText.Of(fault));

    /// <summary>Books each callback's exception. The connection goes on: its handler may be sound.</summary>
    public void BookCallbacks(AggregateException errors)
    {
        foreach (var error in errors.InnerExceptions.Where(IsFault))
        {
            Book(error);
        }
    }

    public override void Abort(string reason)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(reason);
        transport.Abort(CloseCause.Aborted, reason);
    }

    /// <summary>Ends it from the host's side; false when it had already ended otherwise.</summary>
    public bool Cut(string reason)
    {
        transport.Abort(CloseCause.Cut, reason);

        // It may have come in after everyone was asked, and its handler wait for nothing else.
        Drain();
        return transport.End.Cause == CloseCause.Cut;
    }

    private async Task DrainAsync()
    {
        try
        {
            await _draining.CancelAsync();
        }
        catch (AggregateException errors)
        {
            BookCallbacks(errors);
        }
    }

    private static EndPoint Unmapped(EndPoint? address) => address switch
    {
        IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped => new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port),
        { } other => other,
        null => new IPEndPoint(IPAddress.None, 0),
    };
}
