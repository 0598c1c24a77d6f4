using System.Net.Sockets;

namespace PluginServer.Networking;

/// <content>The socket's side: waiting for an arrival, receiving, and discarding.</content>
internal sealed partial class TransportInput
{
    /// <summary>A block with less room than this is not worth a read of its own.</summary>
    private const int SmallRoom = 4096;

    private SocketError _error;

    /// <summary>An arrival will be told of; there is never more than one wait.</summary>
    private bool _waiting;

    /// <summary>A receive may find something: a wait has ended, or the last receive filled its block.</summary>
    private bool _ready;

    /// <summary>The peer's FIN or a reset is queued behind the bytes, and nothing will be told of it any more.</summary>
    private bool _ended;

    /// <summary>Somebody wants to know of a reset although nobody reads.</summary>
    private bool _watched;

    /// <summary>From now on a reset is noticed while the handler does not read, too.</summary>
    public void Watch()
    {
        SocketError failure;
        lock (_bytes)
        {
            _watched = true;
            WatchIfIdle();
            failure = _error;
        }

        if (failure != SocketError.Success)
        {
            connection.Lost(failure);
        }
    }

    /// <summary>Receives, or sees to it that a wait is under way. True when there is news: bytes, or the peer's FIN.</summary>
    private bool Receive()
    {
        while (!_waiting && _error == SocketError.Success)
        {
            if (_ready && ReceiveNow())
            {
                return true;
            }

            if (_error == SocketError.Success)
            {
                StartWait();
            }
        }

        return false;
    }

    private bool ReceiveNow()
    {
        var news = false;
        int room;
        do
        {
            var block = _bytes.NextBlock();
            room = block.Room;
            var count = ReceiveInto(block.Bytes.Span[block.End..]);
            _ready = count == room || (_ended && count > 0);
            _bytes.Filled(block, Math.Max(count, 0));
            _examined &= count <= 0;
            _fin |= count == 0;
            news |= count >= 0;
        }
        while (_ready && room < SmallRoom);
        return news;
    }

    /// <summary>How many bytes were received; 0 is the peer's FIN, less is nothing yet or a failure.</summary>
    private int ReceiveInto(Span<byte> target)
    {
        var count = connection.Receive(target, out var error);
        if (count > 0)
        {
            Volatile.Write(ref _received, _received + count);
        }
        else if (error != SocketError.Success)
        {
            _error = error;
        }

        return count;
    }

    private void StartWait()
    {
        _waiting = true;
        if (!connection.WaitForArrival(out var error))
        {
            EndWait(error);
        }
    }

    private void EndWait(SocketError error)
    {
        _waiting = false;
        _ready = error == SocketError.Success;
        if (!_ready)
        {
            // Kept: the kernel reports a reset once, and then pretends that the peer has sent FIN.
            _error = error;
        }
    }

    private void WatchIfIdle()
    {
        while (_watched && !connection.IsEventDriven && _bytes.IsEmpty && !_waiting && !_fin && _error == SocketError.Success)
        {
            if (_ready && SomethingArrived())
            {
                return;
            }

            if (_error == SocketError.Success)
            {
                StartWait();
            }
        }
    }

    /// <summary>A look at what has arrived: a wait of no bytes ends by a reset just as it does by data.</summary>
    private bool SomethingArrived()
    {
        if (connection.Peek(out var error))
        {
            return true;
        }

        _ready = false;
        if (error != SocketError.Success)
        {
            _error = error;
        }

        return false;
    }

    /// <summary>Something has arrived. True when the read that waited has ended by it: the caller has to resume it.</summary>
    /// <param name="error">Why the wait has failed, or success.</param>
    /// <param name="ended">The peer's FIN, or the end of the connection, is among it.</param>
    public bool OnArrival(SocketError error, bool ended)
    {
        var resume = false;
        SocketError failure;
        lock (_bytes)
        {
            EndWait(error);
            _ended |= ended;
            if (_leaving is { } leaving)
            {
                OnArrivalWhile(leaving);
                return false;
            }

            if (_read != ReadState.Parked)
            {
                WatchIfIdle();
            }
            else if (connection.Ending is null && Receive())
            {
                Claim(inline: true);
                resume = true;
            }

            failure = _error;
        }

        if (failure != SocketError.Success)
        {
            connection.Lost(failure);
        }

        return resume;
    }

    /// <summary>Of a read that has ended: there is nothing but the peer's FIN.</summary>
    public bool Departs => _fin && _bytes.IsEmpty;
}
