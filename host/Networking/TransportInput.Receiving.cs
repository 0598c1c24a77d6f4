using System.Net.Sockets;

namespace PluginServer.Networking;

/// <content>The socket's side: waiting for an arrival, receiving, and discarding.</content>
internal sealed partial class TransportInput
{
    private SocketError _error;

    /// <summary>An arrival will be told of; there is never more than one wait.</summary>
    private bool _waiting;

    /// <summary>A receive may find something: a wait has ended, or the last receive filled its block.</summary>
    private bool _ready;

    /// <summary>The peer's FIN or a reset is queued behind the bytes, and nothing will be told of it any more.</summary>
    private bool _ended;

    /// <summary>Somebody wants to know of a reset although nobody reads.</summary>
    private bool _watched;
    private long _discardLeft;
    private TaskCompletionSource? _discarded;
    private TaskCompletionSource? _released;

    /// <summary>From now on a reset is noticed while the handler does not read, too.</summary>
    public void Watch()
    {
        SocketError failure;
        lock (_gate)
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

    /// <summary>Reads and discards until the peer's FIN, a failure, the linger limits, or an abort. A reset is no failure
    /// of the connection any more: the peer may have what it wanted.</summary>
    public async Task DiscardAsync(TimeProvider time)
    {
        TaskCompletionSource discarded;
        lock (_gate)
        {
            // Nothing can arrive after a FIN, nor after an abort. End comes after the ending is set and needs the lock: it either finds
            // the source or has left the ending to be seen.
            if (_fin || _error != SocketError.Success || connection.Ending is not null)
            {
                return;
            }

            discarded = _discarded = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _discardLeft = TransportConnection.LingerBytes;
            Discard();
        }

        using var timer = time.CreateTimer(static discarded => ((TaskCompletionSource)discarded!).TrySetResult(), discarded, TransportConnection.LingerTime, Timeout.InfiniteTimeSpan);
        await discarded.Task.ConfigureAwait(false);
    }

    /// <summary>The socket is closed: waits for what was under way on it, then gives the blocks back.</summary>
    public Task ReleaseAsync()
    {
        lock (_gate)
        {
            // A handler that returned without AdvanceTo may have left a task behind that still looks at the bytes.
            _bytes.Release(inUse: _taken);
            _token = default;
            if (!_waiting || connection.IsEventDriven)
            {
                connection.Release(input: true);
                return Task.CompletedTask;
            }

            _released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _released.Task;
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
            var count = ReceiveInto(block.Array.AsSpan(block.End));
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
        lock (_gate)
        {
            EndWait(error);
            _ended |= ended;
            if (_released is not null)
            {
                connection.Release(input: true);
                _released.SetResult();
                return false;
            }

            if (_discarded is not null)
            {
                if (!_discarded.Task.IsCompleted)
                {
                    Discard();
                }

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

    /// <summary>Lets the handler go on with a read that has ended.</summary>
    public void Resume() => _completion.SetResult(true);

    private void Discard()
    {
        _bytes.Release(inUse: _taken);
        _taken = false;
        var scratch = _pool.Rent();
        while (!_waiting && !_fin && _error == SocketError.Success && _discardLeft > 0)
        {
            var count = ReceiveInto(scratch.Array.AsSpan(0, (int)Math.Min(scratch.Array.Length, _discardLeft)));
            _discardLeft -= Math.Max(count, 0);
            _fin = count == 0;
            if (count < 0 && _error == SocketError.Success)
            {
                StartWait();
            }
        }

        _pool.Return(scratch);
        if (!_waiting)
        {
            _discarded!.TrySetResult();
        }
    }
}
