using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>The host's end of a stream in memory. Its handler goes on where those of <see cref="SocketConnection"/> do: on the thread pool, or on its generation's threads.</summary>
/// <remarks>News are gathered until a thread of the pool has time for them, so that whoever makes them, a client or another connection, runs no handler.</remarks>
internal sealed class MemorySocketConnection : PipedConnection, IThreadPoolWorkItem
{
    private readonly Lock _closing = new();
    private readonly MemoryTransport _transport;
    private readonly MemorySocket _socket;
    private int _news;

    public MemorySocketConnection(MemoryTransport transport, MemorySocket socket, ConnectionLimits limits)
        : base(limits, transport.Blocks)
    {
        _transport = transport;
        _socket = socket;
    }

    public override BlockPool Blocks => _transport.Blocks;

    public override bool IsEventDriven => true;

    public override WireInfo Wire => _socket.Wire;

    protected override TimeProvider Time => _transport.Time;

    /// <summary>News come from now on.</summary>
    public void Follow() => _socket.Follow(OnNews);

    public override int Receive(Span<byte> target, out SocketError error) => _socket.Receive(target, out error);

    public override int Send(ReadOnlySpan<byte> source, out SocketError error) => _socket.Send(source, out error);

    public override SocketError ShutDownSending() => _socket.ShutDownSending();

    public override bool Peek(out SocketError error) => throw new NotSupportedException();

    // The news will come, or wait for the lock that the caller holds.
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

    void IThreadPoolWorkItem.Execute()
    {
        var news = (MemoryNews)Interlocked.Exchange(ref _news, 0);
        var error = (news & MemoryNews.Reset) != 0 ? SocketError.ConnectionReset : SocketError.Success;
        var ended = (news & (MemoryNews.Ended | MemoryNews.Reset)) != 0;
        var flushed = (news & (MemoryNews.Room | MemoryNews.Reset)) != 0 && Sender.MindsRoom && Sender.OnRoom(0, SocketError.Success);
        var read = (ended || (news & MemoryNews.Arrival) != 0) && Receiver.OnArrival(error, ended);
        Resume(read, flushed);
    }

    protected override void StartHandler()
    {
        if (Owner!.Dispatch is { IsOwn: true } own)
        {
            // What the handler awaits there goes on there.
            own.Run(static owner => ((IConnectionOwner)owner!).Run(), Owner);
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(static owner => owner.Run(), Owner, preferLocal: false);
        }
    }

    protected override void Close(Ending ending, bool reset)
    {
        lock (_closing)
        {
            if (!TryEnd(ending))
            {
                return;
            }

            CloseDescriptor(reset);
        }

        TellEnd();
    }

    protected override void CloseDescriptor(bool reset) => _socket.Close(reset);

    private void OnNews(MemoryNews news)
    {
        if (Interlocked.Or(ref _news, (int)news) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    /// <summary>Outside the locks of the pipes, because the handler runs in here; both are claimed, so nobody else completes them.</summary>
    private void Resume(bool read, bool flushed)
    {
        if (flushed && (read || Own is not null))
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
        else if (flushed)
        {
            Sender.Resume();
        }

        if (read && Own is { } threads)
        {
            threads.Run(static receiver => ((TransportInput)receiver!).Resume(), Receiver);
        }
        else if (read)
        {
            Receiver.Resume();
        }
    }
}
