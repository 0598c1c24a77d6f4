using System.IO.Pipelines;
using System.Net.Sockets;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>What connections of every transport have in common: two pipes over one descriptor, how it ends, and who is told.</summary>
/// <remarks>Each pipe has a lock of its own, never held while this class or the other pipe is called, except for the system calls below.</remarks>
internal abstract class PipedConnection : TransportConnection
{
    private readonly TransportInput _input;
    private readonly TransportOutput _output;
    private ConnectionLimits _limits;
    private IConnectionOwner? _owner;
    private Ending? _ending;
    private CancellationTokenSource? _closed;

    protected PipedConnection(ConnectionLimits limits, BlockPool blocks)
    {
        _limits = limits;
        _input = new TransportInput(this, new ReceivedBytes(blocks));
        _output = new TransportOutput(this);
    }

    public override ConnectionLimits Limits
    {
        get => Volatile.Read(ref _limits);
        set => Volatile.Write(ref _limits, value);
    }

    public override IConnectionOwner? Owner => Volatile.Read(ref _owner);

    public override PipeReader Input => _input;

    public override PipeWriter Output => _output;

    public override long BytesReceived => _input.Received;

    public override long BytesSent => _output.Sent;

    public override (CloseCause Cause, string? Reason) End => Ending is { } ending ? (ending.Cause, ending.Reason) : (CloseCause.None, null);

    /// <summary>Null while it is open.</summary>
    public Ending? Ending => Volatile.Read(ref _ending);

    public override CancellationToken Closed
    {
        get
        {
            if (Volatile.Read(ref _closed) is { } known)
            {
                return known.Token;
            }

            if (Ending is not null)
            {
                return new CancellationToken(canceled: true);
            }

            var fresh = new CancellationTokenSource();
            var source = Interlocked.CompareExchange(ref _closed, fresh, null) ?? fresh;

            // Whoever ends it sets the ending and then looks for the source; this does the reverse. One of them sees the other.
            if (Ending is not null)
            {
                CancelOnPool(source);
            }
            else
            {
                _input.Watch();
            }

            return source.Token;
        }
    }

    /// <summary>Events come by themselves, a reset among them. Otherwise each wait is an operation that has to be started, and that
    /// comes back at the latest when the descriptor is closed.</summary>
    public abstract bool IsEventDriven { get; }

    /// <summary>Whether closing the descriptor now would send FIN after what was sent, and no reset: nothing can arrive any more that
    /// nobody has read, and no wait holds the descriptor.</summary>
    public bool FinByClose => IsEventDriven && _input.HasFin;

    protected abstract TimeProvider Time { get; }

    /// <summary>Where the handler goes on if not on the transport's own threads. One that has ended is not left to threads that may all be taken.</summary>
    protected HandlerDispatch? Own => Owner?.Dispatch is { IsOwn: true } dispatch && Ending is null ? dispatch : null;

    protected TransportInput Receiver => _input;

    protected TransportOutput Sender => _output;

    /// <summary>Receives without waiting: how many bytes, 0 after the peer's FIN, -1 when there is nothing yet or an error.</summary>
    public abstract int Receive(Span<byte> target, out SocketError error);

    /// <summary>Sends without waiting: how many bytes the kernel took.</summary>
    public abstract int Send(ReadOnlySpan<byte> source, out SocketError error);

    /// <summary>Sends FIN.</summary>
    public abstract SocketError ShutDownSending();

    /// <summary>Whether anything has arrived that a receive would show. Not asked of event-driven ones.</summary>
    public abstract bool Peek(out SocketError error);

    /// <summary>Sees to it that the input is told of the next arrival. False: it need not wait.</summary>
    public abstract bool WaitForArrival(out SocketError error);

    /// <summary>Sees to it that the output is told when the kernel takes bytes again, which may begin with the front of its queue.
    /// False: it need not wait, and so many were sent.</summary>
    public abstract bool WaitForRoom(Memory<byte> front, out int sent, out SocketError error);

    /// <summary>One more system call for the handler in this turn. False: it has had its share, and others are to come first.</summary>
    public virtual bool TakeTurn() => true;

    /// <summary>Has the input told once more of what has arrived, behind whoever waits for the same thread.</summary>
    public virtual void Requeue()
    {
    }

    /// <summary>Nothing waits any more: what was kept for waiting goes.</summary>
    public virtual void Release(bool input)
    {
    }

    public override void Start(IConnectionOwner owner)
    {
        Volatile.Write(ref _owner, owner);
        StartHandler();
    }

    public override void Pass(IConnectionOwner next, ConnectionLimits limits)
    {
        Limits = limits;
        Volatile.Write(ref _owner, next);
        RunOwner();
    }

    public override bool Post(ReadOnlySpan<byte> bytes) => _output.Post(bytes);

    public override long Unsent => _output.Unsent;

    public override bool Deliver(ReadOnlyMemory<byte> message, int limit) => _output.Deliver(message, limit);

    public override void Drained() => _input.Drained();

    public override void Abort(CloseCause cause, string reason) => Close(new Ending(cause, reason), reset: true);

    /// <summary>The socket has failed: ends the connection, unless it has ended already and that is why.</summary>
    /// <returns>What to tell the caller of a read or flush.</returns>
    public ConnectionClosedException Lost(SocketError error)
    {
        Abort(CloseCause.Reset, error switch
        {
            SocketError.ConnectionReset or SocketError.Shutdown or SocketError.NotConnected or SocketError.ConnectionAborted => "The peer reset the connection.",
            _ => $"The connection was lost: {error}.",
        });
        return Ending!.ToException();
    }

    public override async Task FinishAsync()
    {
        _input.Leave();
        if (await _output.FinishAsync().ConfigureAwait(false))
        {
            await _input.DiscardAsync(Time).ConfigureAwait(false);
        }

        // FIN is sent, so what the kernel still holds is delivered although a wait may be pending on the socket;
        // without it, closing would end that wait by a reset. The socket of an aborted connection is closed here at the latest.
        Close(Ending.Orderly, reset: false);
        await _input.ReleaseAsync().ConfigureAwait(false);
        await _output.ReleaseAsync().ConfigureAwait(false);
    }

    /// <summary>Has the owner run, apart from the caller.</summary>
    protected abstract void StartHandler();

    /// <summary>Has the owner run now: on the calling thread, or on its own.</summary>
    protected void RunOwner()
    {
        if (Own is { } own)
        {
            own.Run(static owner => ((IConnectionOwner)owner!).Run(), Owner);
            return;
        }

        var context = ExecutionContext.Capture();
        Owner!.Run();

        // What a handler has left in it would be seen by all that this thread resumes.
        if (context is not null)
        {
            ExecutionContext.Restore(context);
        }
    }

    /// <summary>Closes the descriptor, by a reset or in order, as soon as no call uses it any more.</summary>
    protected abstract void CloseDescriptor(bool reset);

    /// <summary>Makes the ending known; false when it had ended before. <see cref="CloseDescriptor"/> follows.</summary>
    protected bool TryEnd(Ending ending) => Interlocked.CompareExchange(ref _ending, ending, null) is null;

    /// <summary>Ends what waits, and tells whoever wants to know.</summary>
    protected void TellEnd()
    {
        _input.End();
        _output.End();
        if (Volatile.Read(ref _closed) is { } closed)
        {
            CancelOnPool(closed);
        }
    }

    /// <summary>Ends it once. FinishAsync must not go on before another thread's Abort has closed the descriptor.</summary>
    protected virtual void Close(Ending ending, bool reset)
    {
        if (TryEnd(ending))
        {
            CloseDescriptor(reset);
            TellEnd();
        }
    }

    private void CancelOnPool(CancellationTokenSource source) => ThreadPool.UnsafeQueueUserWorkItem(
        static state =>
        {
            try
            {
                state.Source.Cancel();
            }
            catch (AggregateException errors)
            {
                state.Connection.Owner?.BookCallbacks(errors);
            }
        },
        (Source: source, Connection: this),
        preferLocal: false);
}
