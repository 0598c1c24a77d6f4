using System.Net.Sockets;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>One connected descriptor of an epoll loop.</summary>
/// <remarks>
/// Registered once, edge-triggered. Every call holds a reference in <see cref="_state"/>, so an Abort from another thread
/// closes the descriptor only when the last call has returned, and its number never is another connection's during one.
/// No call waits, so the close comes at once, and needs no shutdown(2) before it.
/// An event and the calls of the handler meet in the lock of a pipe, so no edge is lost between a receive that finds nothing and the wait.
/// </remarks>
internal sealed unsafe class EpollConnection : PipedConnection, IEpollTarget
{
    /// <summary>How many receives and sends a handler may do while others wait for the loop's thread.</summary>
    public const int Budget = 32;
    private const uint Events = Libc.EpollIn | Libc.EpollOut | Libc.EpollReadHup | Libc.EpollEdge;
    private const int Closing = 1;
    private const int Gone = 2;
    private const int Reference = 4;
    private readonly EpollTransport _transport;
    private readonly int _descriptor;

    /// <summary>Two flags, and above them how many threads use the descriptor. The last one out closes it.</summary>
    private int _state;
    private int _turns = Budget;
    private IThreadPoolWorkItem? _handler;

    public EpollConnection(EpollTransport transport, int descriptor, ConnectionLimits limits, TimeProvider time)
        : base(limits, transport.Blocks, time)
    {
        _transport = transport;
        _descriptor = descriptor;
        Generation = transport.Loop.Targets.NextGeneration();
    }

    public uint Generation { get; }

    public int Descriptor => _descriptor;

    public override bool IsEventDriven => true;

    public override long BytesOnWire
    {
        get
        {
            if (!Enter())
            {
                return 0;
            }

            var bytes = Libc.BytesOnWire(_descriptor);
            Leave();
            return bytes;
        }
    }

    /// <summary>Events come from now on. The first one, that bytes may be sent, comes at once.</summary>
    public void Register() => _transport.Loop.Targets.Add(_descriptor, this, Events);

    public override void Start(IThreadPoolWorkItem handler)
    {
        Interlocked.Exchange(ref _handler, handler);
        if (Enter())
        {
            _transport.Loop.Targets.Renew(_descriptor, this, Events);
            Leave();
        }
        else
        {
            StartElsewhere();
        }
    }

    /// <summary>On the loop.</summary>
    public void Ready(uint events)
    {
        var error = SocketError.Success;
        if ((events & Libc.EpollErr) != 0 && Enter())
        {
            error = Libc.ErrorOf(Libc.TakeError(_descriptor));
            Leave();
        }

        var ended = (events & (Libc.EpollReadHup | Libc.EpollHup | Libc.EpollErr)) != 0;
        var flushed = (events & (Libc.EpollOut | Libc.EpollHup | Libc.EpollErr)) != 0 && Sender.OnRoom(0, SocketError.Success);
        var read = (ended || (events & Libc.EpollIn) != 0) && Receiver.OnArrival(error, ended);
        _turns = Budget;
        if (flushed && read)
        {
            // The first of the two may block, and must not keep the other.
            if (Own is { } own)
            {
                own.Run(static sender => ((TransportOutput)sender!).Resume(), Sender);
            }
            else
            {
                ThreadPool.UnsafeQueueUserWorkItem(static sender => sender.Resume(), Sender, preferLocal: false);
            }
        }

        Resume(read, flushed && !read);
    }

    /// <summary>Its handler has kept the loop's thread.</summary>
    public void Blocked() => Dispatch?.Blocked(Handler);

    public override int Receive(Span<byte> target, out SocketError error)
    {
        if (!Enter())
        {
            error = SocketError.OperationAborted;
            return -1;
        }

        _transport.BeforeCall?.Invoke();
        nint count;
        int number;
        do
        {
            fixed (byte* start = target)
            {
                count = Libc.Receive(_descriptor, start, target.Length);
            }

            number = count < 0 ? Libc.LastError : 0;
        }
        while (number == Libc.Interrupted);
        Leave();
        error = number == Libc.WouldBlock ? SocketError.Success : Libc.ErrorOf(number);
        return (int)count;
    }

    public override int Send(ReadOnlySpan<byte> source, out SocketError error)
    {
        if (!Enter())
        {
            error = SocketError.OperationAborted;
            return 0;
        }

        _transport.BeforeCall?.Invoke();
        nint count;
        int number;
        do
        {
            fixed (byte* start = source)
            {
                count = Libc.Send(_descriptor, start, source.Length);
            }

            number = count < 0 ? Libc.LastError : 0;
        }
        while (number == Libc.Interrupted);
        Leave();
        error = number == Libc.WouldBlock ? SocketError.Success : Libc.ErrorOf(number);
        return (int)Math.Max(count, 0);
    }

    public override SocketError ShutDownSending()
    {
        if (!Enter())
        {
            return SocketError.OperationAborted;
        }

        _transport.BeforeCall?.Invoke();
        var error = Libc.ShutDown(_descriptor, Libc.ShutWrite) < 0 ? Libc.ErrorOf(Libc.LastError) : SocketError.Success;
        Leave();
        return error;
    }

    public override bool Peek(out SocketError error) => throw new NotSupportedException();

    // The event will come, or waits for the lock that the caller holds.
    public override bool WaitForArrival(out SocketError error)
    {
        error = SocketError.Success;
        return true;
    }

    public override bool WaitForRoom(Memory<byte> front, out int sent, out SocketError error)
    {
        (sent, error) = (0, SocketError.Success);
        return true;
    }

    public override bool TakeTurn()
    {
        if (--_turns >= 0)
        {
            return true;
        }

        _turns = Budget;
        return false;
    }

    public override void Requeue()
    {
        if (Enter())
        {
            _transport.Loop.Targets.Renew(_descriptor, this, Events);
            Leave();
        }
    }

    /// <summary>Takes the descriptor out of the loop and gives it to the caller, unclosed; the connection ends in order. Its handler must be at rest.</summary>
    /// <exception cref="InvalidOperationException">Bytes wait to be read or sent, or an operation does, or it has ended.</exception>
    public int Detach()
    {
        if (!Receiver.IsAtRest || !Sender.IsAtRest || !TryEnd(Ending.Orderly))
        {
            throw new InvalidOperationException("A connection can be detached only while nothing waits in it, and before its end.");
        }

        // Marked closed without being closed: later calls are refused, and those under way have to leave first.
        var wait = new SpinWait();
        while (Interlocked.CompareExchange(ref _state, Closing | Gone, 0) != 0)
        {
            wait.SpinOnce();
        }

        _transport.Loop.Targets.Remove(_descriptor);
        TellEnd();
        return _descriptor;
    }

    protected override void CloseDescriptor(bool reset)
    {
        if (!Enter())
        {
            return;
        }

        if (reset)
        {
            Libc.ResetOnClose(_descriptor);
        }

        Interlocked.Or(ref _state, Closing);
        Leave();
        StartElsewhere();
    }

    /// <summary>A closed descriptor has no event any more, and a handler that has been waiting for its first one is to learn the end.</summary>
    private void StartElsewhere()
    {
        if (Interlocked.Exchange(ref _handler, null) is { } handler)
        {
            ThreadPool.UnsafeQueueUserWorkItem(handler, preferLocal: false);
        }
    }

    /// <summary>Where the handler goes on if not on the loop. One that has ended is not left to threads that may all be taken.</summary>
    private HandlerDispatch? Own => Dispatch is { IsOwn: true } dispatch && Ending is null ? dispatch : null;

    /// <summary>The one place where a handler goes on, or starts, on the loop.</summary>
    private void Resume(bool read, bool flushed)
    {
        if (Volatile.Read(ref _handler) is not null && Interlocked.Exchange(ref _handler, null) is { } handler)
        {
            if (Own is { } own)
            {
                own.Run(static handler => ((IThreadPoolWorkItem)handler!).Execute(), handler);
                return;
            }

            var context = ExecutionContext.Capture();
            handler.Execute();

            // What a handler has left in it would be seen by all that this thread resumes.
            ExecutionContext.Restore(context!);
        }
        else if ((read || flushed) && Own is { } threads)
        {
            threads.Run(read ? static input => ((TransportInput)input!).Resume() : static output => ((TransportOutput)output!).Resume(), read ? Receiver : Sender);
        }
        else if (read)
        {
            Receiver.Resume();
        }
        else if (flushed)
        {
            Sender.Resume();
        }
    }

    private bool Enter()
    {
        if ((Interlocked.Add(ref _state, Reference) & Closing) == 0)
        {
            return true;
        }

        Leave();
        return false;
    }

    private void Leave()
    {
        if (Interlocked.Add(ref _state, -Reference) == Closing && Interlocked.CompareExchange(ref _state, Closing | Gone, Closing) == Closing)
        {
            _transport.Loop.Targets.Forget(_descriptor);
            _ = Libc.Close(_descriptor);
        }
    }
}
