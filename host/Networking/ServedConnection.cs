using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;
using Microsoft.Extensions.DependencyInjection;
using PluginServer.Diagnostics;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>The <see cref="Connection"/> that a handler sees, over what the transport made of its socket.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A source without timer holds nothing to dispose, and Drain may come at any time.")]
internal sealed partial class ServedConnection(Endpoint home, HandlerBinding binding, TransportConnection transport, long id, ConnectionAddress local, ConnectionAddress remote, AddressHold hold, long acceptedAt) : Connection, IConnectionOwner
{
    // One per connection and not one for all: a plugin that forgets a registration pins nothing but its own connection.
    private readonly CancellationTokenSource _draining = new();
    private readonly string _endpoint = home.Name;
    private HandlerBinding _binding = binding;
    private HandlerDispatch _dispatch = binding.Generation.Dispatch;
    private int _moving;
    private ConnectionAddress _local = local;
    private ConnectionAddress _remote = remote;
    private AddressHold _hold = hold;

    public override long Id => id;

    public override string Endpoint => _endpoint;

    public override EndPoint LocalEndPoint => _local.EndPoint;

    public override EndPoint RemoteEndPoint => _remote.EndPoint;

    /// <summary>The peer as reports, log and events name it.</summary>
    public string RemoteName => _remote.ToString();

    public override PipeReader Input => transport.Input;

    public override PipeWriter Output => transport.Output;

    public override CancellationToken Closed => transport.Closed;

    public override ConnectionTls? Tls => transport.Tls;

    public TransportConnection Transport => transport;

    /// <summary>The peer's IP address; null where it has none.</summary>
    public UInt128? RemoteNumber => _remote.Number;

    /// <summary>Whether it counts among the connections of its address.</summary>
    public AddressHold Hold => _hold;

    /// <summary>Where it was accepted, and has its place.</summary>
    public Endpoint Home => home;

    /// <summary>What serves it.</summary>
    public HandlerBinding Binding => Volatile.Read(ref _binding);

    /// <summary>Where it is counted.</summary>
    public GenerationCounters Counters { get; private set; } = home.Counters.Of(binding.Generation);

    public PluginGeneration Generation => Binding.Generation;

    /// <summary>Another build is to take it over, or is about to.</summary>
    public bool IsAskedToMove => Volatile.Read(ref _moving) != Staying;

    /// <summary>When it was accepted, as a timestamp of the host's time.</summary>
    public long AcceptedAt => acceptedAt;

    /// <summary>The reaper's own; null until it has looked.</summary>
    public Pulse? Pulse { get; set; }

    /// <summary>The set's own.</summary>
    public int Slot { get; set; }

    /// <summary>The groups' own; null until it joins one.</summary>
    public Membership? Membership { get; set; }

    /// <summary>Nothing is served any more: it joins no group.</summary>
    public bool IsOver { get; private set; }

    /// <summary>The runner's own, while it is inside.</summary>
    public IConnectionHandler? Handler { get; set; }

    /// <summary>The runner's own: where the handler's services come from, if it has some of its own.</summary>
    public IServiceScope? Scope { get; set; }

    /// <summary>The runner's own: the handler's task.</summary>
    public Task? Running { get; set; }

    /// <summary>The runner's own: null where nobody traces connections.</summary>
    public Activity? Activity { get; set; }

    public CancellationToken Draining => _draining.Token;

    internal override bool IsMoving => Volatile.Read(ref _moving) == Asked;

    HandlerDispatch IConnectionOwner.Dispatch => _dispatch;

    string IConnectionOwner.Handler => Binding.Handler;

    void IConnectionOwner.Run() => ConnectionRunner.Run(this);

    /// <summary>The handler's task has ended.</summary>
    public void Returned() => ConnectionRunner.End(this);

    /// <summary>It counts from now on; false when it does already, or never does.</summary>
    public bool TryHold() => Interlocked.CompareExchange(ref _hold, AddressHold.Counted, AddressHold.None) == AddressHold.None;

    /// <summary>It never counts again; says what it has to give back.</summary>
    public AddressHold LetGo() => Interlocked.Exchange(ref _hold, AddressHold.Exempt);

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
    public void Book(Exception fault) => home.BookFault(this, FaultText.Of(fault));

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

    /// <summary>Its handler has finished with it: it is in no group any more.</summary>
    public void Over()
    {
        IsOver = true;
        Interlocked.MemoryBarrier();
        Membership?.Home.LeaveAll(this);
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
            // Cancelled when the call returns; what was registered with the token follows.
            var told = _draining.CancelAsync();
            transport.Drained();
            await told;
        }
        catch (AggregateException errors)
        {
            BookCallbacks(errors);
        }
    }
}
