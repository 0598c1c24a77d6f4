using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>One end of a stream in memory, with what TCP does at its ends: FIN, half-close, resets, and a bounded number of bytes on their way.</summary>
/// <remarks>No call waits: who has to is told when to try again, on the thread of whoever made it so, outside the lock of the pair, and must not
/// keep that thread. Nobody is told of anything after <see cref="Close"/>, so that the other end does not hold what this one was used by.</remarks>
internal sealed class MemorySocket
{
    /// <summary>So many bytes may be on their way to an end that does not receive.</summary>
    public const int Capacity = 256 * 1024;

    private readonly MemoryQueue _incoming = new(Capacity);
    private readonly Lock _gate;
    private readonly TimeProvider _time;
    private MemorySocket _peer;
    private Action<MemoryNews>? _tell;
    private long _movedAt;
    private int _segment = int.MaxValue;
    private bool _isShort;
    private bool _finSent;
    private bool _finReceived;
    private bool _isReset;
    private bool _isClosed;

    private MemorySocket(Lock gate, TimeProvider time)
    {
        _gate = gate;
        _time = time;
        _movedAt = time.GetTimestamp();
        _peer = this;
    }

    /// <summary>A receive of the other end shows at most so many bytes: as if the network had cut the stream into such pieces. 0 is no limit.</summary>
    public int SegmentSize
    {
        set
        {
            lock (_gate)
            {
                _peer._segment = value > 0 ? value : int.MaxValue;
            }
        }
    }

    /// <summary>Bytes that have arrived here, and that the peer has received.</summary>
    public WireInfo Wire
    {
        get
        {
            lock (_gate)
            {
                return new WireInfo(_incoming.Arrived + _peer._incoming.Taken, _time.GetElapsedTime(Math.Max(_movedAt, _peer._movedAt)));
            }
        }
    }

    /// <summary>Two that are connected.</summary>
    public static (MemorySocket Client, MemorySocket Server) Pair(TimeProvider time)
    {
        var gate = new Lock();
        var (client, server) = (new MemorySocket(gate, time), new MemorySocket(gate, time));
        (client._peer, server._peer) = (server, client);
        return (client, server);
    }

    /// <summary>Has somebody told of what happens from now on, beginning with what has happened already.</summary>
    public void Follow(Action<MemoryNews> tell)
    {
        MemoryNews news;
        lock (_gate)
        {
            _tell = tell;
            news = MemoryNews.Arrival | MemoryNews.Room | (_finReceived ? MemoryNews.Ended : 0) | (_isReset ? MemoryNews.Reset : 0);
        }

        tell(news);
    }

    /// <summary>How many bytes were received; 0 is the peer's FIN, less is nothing yet or a failure.</summary>
    public int Receive(Span<byte> target, out SocketError error)
    {
        Action<MemoryNews>? room = null, more = null;
        int count;
        lock (_gate)
        {
            count = _isClosed ? 0 : _incoming.Take(target[..Math.Min(target.Length, _segment)]);
            error = _isClosed ? SocketError.OperationAborted : count == 0 && _isReset ? SocketError.ConnectionReset : SocketError.Success;
            if (count == 0)
            {
                return error == SocketError.Success && _finReceived && _incoming.Count == 0 ? 0 : -1;
            }

            // What waits behind a piece that was cut off arrives as the next one.
            more = _incoming.Count > 0 && _segment < int.MaxValue ? _tell : null;
            if (_peer._isShort && _incoming.Count <= Capacity / 2)
            {
                _peer._isShort = false;
                room = _peer._tell;
            }
        }

        room?.Invoke(MemoryNews.Room);
        more?.Invoke(MemoryNews.Arrival);
        return count;
    }

    /// <summary>How many bytes had room.</summary>
    public int Send(ReadOnlySpan<byte> source, out SocketError error)
    {
        Action<MemoryNews>? tell;
        MemoryNews news;
        int count;
        lock (_gate)
        {
            error = _isClosed ? SocketError.OperationAborted : _isReset ? SocketError.ConnectionReset : _finSent ? SocketError.Shutdown : SocketError.Success;
            if (error != SocketError.Success || source.IsEmpty)
            {
                return 0;
            }

            if (_peer._isClosed)
            {
                // As over a network: what is sent to nobody is taken, and answered by a reset.
                _isReset = true;
                (count, tell, news) = (source.Length, _tell, MemoryNews.Reset);
            }
            else
            {
                count = _peer._incoming.Append(source);
                _isShort = count < source.Length;
                _movedAt = count > 0 ? _time.GetTimestamp() : _movedAt;
                (tell, news) = (count > 0 ? _peer._tell : null, MemoryNews.Arrival);
            }
        }

        tell?.Invoke(news);
        return count;
    }

    /// <summary>Sends FIN.</summary>
    public SocketError ShutDownSending()
    {
        Action<MemoryNews>? tell;
        lock (_gate)
        {
            if (_isClosed || _isReset)
            {
                return _isClosed ? SocketError.OperationAborted : SocketError.ConnectionReset;
            }

            _finSent = _peer._finReceived = true;
            tell = _peer._tell;
        }

        tell?.Invoke(MemoryNews.Arrival | MemoryNews.Ended);
        return SocketError.Success;
    }

    /// <summary>Ends it once, in order by a FIN behind what was sent; by a reset where that is asked for, and where something was not received.</summary>
    public void Close(bool reset)
    {
        Action<MemoryNews>? own, peer;
        MemoryNews news;
        lock (_gate)
        {
            if (_isClosed)
            {
                return;
            }

            reset |= _incoming.Count > 0;
            _isClosed = true;
            _incoming.Drop();
            (own, _tell) = (_tell, null);
            (peer, news) = (_peer._tell, reset ? MemoryNews.Reset : MemoryNews.Arrival | MemoryNews.Ended);
            _peer._isReset |= reset;
            _peer._finReceived |= !reset;
        }

        peer?.Invoke(news);

        // A wait of this end is to find that it is closed.
        own?.Invoke(MemoryNews.Arrival | MemoryNews.Room);
    }
}
