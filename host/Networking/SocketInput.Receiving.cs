using System.Net.Sockets;

namespace PluginServer.Networking;

/// <content>The socket's side: waiting with a receive of no bytes, and receiving.</content>
internal sealed partial class SocketInput
{
    private ReceiveWait? _wait;
    /// <summary>The handler's continuation restores its own execution context.</summary>
    private const bool SuppressContext = true;

    private SocketError _error;

    /// <summary>A receive of no bytes is under way; there is never more than one.</summary>
    private bool _waiting;

    /// <summary>A receive may find something: a wait has ended, or the last receive filled its block.</summary>
    private bool _ready;

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
            // Nothing can arrive after a FIN; and an abort that End has missed here closed the socket before.
            if (_fin || _error != SocketError.Success)
            {
                return;
            }

            discarded = _discarded = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _discardLeft = TransportConnection.LingerBytes;
            Discard();
        }

        using var timer = time.CreateTimer(static discarded => ((TaskCompletionSource)discarded!).TrySetResult(), discarded, TransportConnection.LingerTime, Timeout.InfiniteTimeSpan);
        await discarded.Task;
    }

    /// <summary>The socket is closed: waits for what was under way on it, then gives the blocks back.</summary>
    public Task ReleaseAsync()
    {
        lock (_gate)
        {
            // A handler that returned without AdvanceTo may have left a task behind that still looks at the bytes.
            _bytes.Release(inUse: _taken);
            _token = default;
            if (!_waiting)
            {
                _wait?.Dispose();
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

            StartWait();
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
            _ready = count == room;
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
        try
        {
            var count = connection.Socket.Receive(target, SocketFlags.None, out var error);
            if (error == SocketError.Success)
            {
                Volatile.Write(ref _received, _received + count);
                return count;
            }

            if (error != SocketError.WouldBlock)
            {
                _error = error;
            }
        }
        catch (ObjectDisposedException)
        {
            _error = SocketError.OperationAborted;
        }

        return -1;
    }

    private void StartWait()
    {
        _wait ??= new ReceiveWait(this);
        _waiting = true;
        try
        {
            if (!connection.Socket.ReceiveAsync(_wait))
            {
                EndWait(_wait.SocketError);
            }
        }
        catch (ObjectDisposedException)
        {
            EndWait(SocketError.OperationAborted);
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
        while (_watched && _bytes.IsEmpty && !_waiting && !_fin && _error == SocketError.Success)
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
        try
        {
            Span<byte> one = stackalloc byte[1];
            connection.Socket.Receive(one, SocketFlags.Peek, out var error);
            if (error == SocketError.Success)
            {
                return true;
            }

            _ready = false;
            if (error != SocketError.WouldBlock)
            {
                _error = error;
            }
        }
        catch (ObjectDisposedException)
        {
            _error = SocketError.OperationAborted;
        }

        return false;
    }

    private void OnReadable(SocketError error)
    {
        var resume = false;
        var departs = false;
        SocketError failure;
        lock (_gate)
        {
            EndWait(error);
            if (_released is not null)
            {
                _wait!.Dispose();
                _released.SetResult();
                return;
            }

            if (_discarded is not null)
            {
                if (!_discarded.Task.IsCompleted)
                {
                    Discard();
                }

                return;
            }

            if (_read != ReadState.Parked)
            {
                WatchIfIdle();
            }
            else if (connection.Ending is null && Receive())
            {
                Claim(inline: true);
                resume = true;
                departs = _fin && _bytes.IsEmpty;
            }

            failure = _error;
        }

        if (departs)
        {
            departures.Add(this);
        }
        else if (resume)
        {
            // Outside the lock, because the handler runs in here; it is claimed, so nobody else completes it.
            Resume();
        }

        if (failure != SocketError.Success)
        {
            connection.Lost(failure);
        }
    }

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
            if (count < 0)
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

    /// <summary>A receive of no bytes: it ends when there is something to receive, and holds no memory until then.</summary>
    private sealed class ReceiveWait(SocketInput input) : SocketAsyncEventArgs(SuppressContext)
    {
        protected override void OnCompleted(SocketAsyncEventArgs e) => input.OnReadable(e.SocketError);
    }
}
