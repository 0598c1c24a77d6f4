using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>One connected descriptor of an epoll loop.</summary>
/// <remarks>
/// Registered once, edge-triggered. Every call holds a reference in <see cref="_state"/>, so an Abort from another thread
/// closes the descriptor only when the last call has returned, and its number never is another connection's during one.
/// No call waits, so the close comes at once, and needs no shutdown(2) before it.
/// An event and the calls of the handler meet in the lock of a pipe, so no edge is lost between a receive that finds nothing and the wait.
/// </remarks>
internal sealed partial class EpollConnection : PipedConnection, IEpollTarget
{
    /// <summary>How many receives and sends a handler may do while others wait for the loop's thread.</summary>
    public const int Budget = 32;
    private const uint Events = Libc.EpollIn | Libc.EpollOut | Libc.EpollReadHup | Libc.EpollEdge;

    /// <summary>Nobody serves it yet; its first event has come, or not.</summary>
    private const int Attached = 0, Missed = 1;

    /// <summary>The next event runs the owner.</summary>
    private const int Due = 2;
    private const int Started = 3;
    private const int Closing = 1;
    private const int Gone = 2;
    private const int Reference = 4;
    private readonly EpollTransport _transport;
    private readonly int _descriptor;

    /// <summary>Two flags, and above them how many threads use the descriptor. The last one out closes it.</summary>
    private int _state;
    private int _turns = Budget;
    private int _start;

    public EpollConnection(EpollTransport transport, int descriptor, ConnectionLimits limits)
        : base(limits, transport.Blocks)
    {
        _transport = transport;
        _descriptor = descriptor;
        Generation = transport.Loop.Targets.NextGeneration();
    }

    public uint Generation { get; }

    public int Descriptor => _descriptor;

    public override BlockPool Blocks => _transport.Blocks;

    public override bool IsEventDriven => true;

    protected override TimeProvider Time => _transport.Time;

    /// <summary>Events come from now on. The first one, that bytes may be sent, comes at once.</summary>
    public void Register() => _transport.Loop.Targets.Add(_descriptor, this, Events);

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
        var flushed = (events & (Libc.EpollOut | Libc.EpollHup | Libc.EpollErr)) != 0 && Sender.MindsRoom && Sender.OnRoom(0, SocketError.Success);
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
    public void Blocked() => Owner?.Dispatch?.Blocked(Owner.Handler);

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

    protected override void StartHandler()
    {
        var missed = Interlocked.Exchange(ref _start, Due) == Missed;
        if (!Enter())
        {
            StartElsewhere();
            return;
        }

        if (missed)
        {
            _transport.Loop.Targets.Renew(_descriptor, this, Events);
        }

        Leave();
    }

    /// <summary>Whether this event is the one that starts the handler.</summary>
    private bool TakesStart()
    {
        do
        {
            if (Interlocked.CompareExchange(ref _start, Started, Due) == Due)
            {
                return true;
            }
        }
        while (Interlocked.CompareExchange(ref _start, Missed, Attached) == Due);
        return false;
    }

    /// <summary>A closed descriptor has no event any more, and a handler that has been waiting for its first one is to learn the end.</summary>
    private void StartElsewhere()
    {
        if (Interlocked.CompareExchange(ref _start, Started, Due) == Due)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static owner => owner.Run(), Owner!, preferLocal: false);
        }
    }

    /// <summary>The one place where a handler goes on, or starts, on the loop.</summary>
    private void Resume(bool read, bool flushed)
    {
        if (Volatile.Read(ref _start) != Started && TakesStart())
        {
            RunOwner();
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
}
