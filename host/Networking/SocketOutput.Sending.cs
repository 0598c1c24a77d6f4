using System.Net.Sockets;

namespace PluginServer.Networking;

/// <content>The socket's side: sending, waiting with what the kernel did not take, and FIN.</content>
internal sealed partial class SocketOutput
{
    private SendWait? _wait;
    /// <summary>The handler's continuation restores its own execution context.</summary>
    private const bool SuppressContext = true;

    private SocketError _error;

    /// <summary>The front of the queue is with the socket; there is never more than one send.</summary>
    private bool _sending;
    private bool _finSent;
    private long _sent;
    private TaskCompletionSource<bool>? _fin;
    private TaskCompletionSource? _released;

    public long Sent => Volatile.Read(ref _sent);

    /// <summary>A flush need not wait any longer.</summary>
    private bool Fits => _queue.Flushed + _rest.Length < TransportConnection.FlushThreshold;

    /// <summary>The handler has returned: sends what it wrote, then FIN. False when the connection ended before.</summary>
    public Task<bool> FinishAsync()
    {
        Complete();
        lock (_gate)
        {
            _left = true;
        }

        return FinSentAsync();
    }

    /// <summary>The socket is closed: waits for what was under way on it, then gives the blocks back.</summary>
    public Task ReleaseAsync()
    {
        lock (_gate)
        {
            _token = default;
            if (!_sending)
            {
                Release();
                return Task.CompletedTask;
            }

            _released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _released.Task;
        }
    }

    private Task<bool> FinSentAsync()
    {
        lock (_gate)
        {
            // End comes after the ending is set and needs the lock: it either finds the source or has left the ending to be seen.
            if (_finSent || connection.Ending is not null)
            {
                return Task.FromResult(_finSent);
            }

            _fin ??= new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            return _fin.Task;
        }
    }

    /// <summary>Sends until nothing is left or the kernel's buffer is full; then the socket has the front of the queue.</summary>
    private void SendAll()
    {
        while (!_sending && _error == SocketError.Success)
        {
            var queued = _queue.Flushed > 0;
            var next = queued ? _queue.Next.Span : Rest();
            if (next.IsEmpty)
            {
                SendFinIfCompleted();
                return;
            }

            var count = Send(next);
            if (queued)
            {
                _queue.Sent(count);
            }
            else
            {
                SkipRest(count);
            }

            if (count < next.Length && _error == SocketError.Success)
            {
                FillQueue();
                StartSend();
            }
        }

        FillQueue();
    }

    /// <summary>Moves as much of a waiting source to the queue as may wait there.</summary>
    private void FillQueue()
    {
        var count = (int)Math.Clamp(TransportConnection.FlushThreshold - _queue.Flushed, 0, _rest.Length);
        if (count > 0 && Rest() is { IsEmpty: false } rest)
        {
            _queue.Append(rest[..count]);
            SkipRest(count);
        }
    }

    /// <summary>The caller no longer waits: the rest of its source becomes ours, so that the stream has no hole.</summary>
    private void CopyRest()
    {
        _queue.Append(Rest());
        _rest = default;
    }

    /// <summary>The rest of the source; a plugin's own memory may refuse, on a thread that must survive it.</summary>
    private ReadOnlySpan<byte> Rest()
    {
        try
        {
            return _rest.Span;
        }
        catch (Exception)
        {
            _rest = default;
            _error = SocketError.Fault;
            return default;
        }
    }

    // Nothing refers to the source once all of it is sent.
    private void SkipRest(int count) => _rest = count == _rest.Length ? default : _rest[count..];

    private int Send(ReadOnlySpan<byte> source)
    {
        try
        {
            var count = connection.Socket.Send(source, SocketFlags.None, out var error);
            if (error == SocketError.Success)
            {
                Volatile.Write(ref _sent, _sent + count);
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

        return 0;
    }

    private void StartSend()
    {
        _wait ??= new SendWait(this);
        _wait.SetBuffer(_queue.Next);
        _sending = true;
        try
        {
            if (!connection.Socket.SendAsync(_wait))
            {
                EndSend();
            }
        }
        catch (ObjectDisposedException)
        {
            _sending = false;
            _error = SocketError.OperationAborted;
        }
    }

    private void EndSend()
    {
        _sending = false;
        Volatile.Write(ref _sent, _sent + _wait!.BytesTransferred);
        _queue.Sent(_wait.BytesTransferred);
        if (_wait.SocketError != SocketError.Success)
        {
            _error = _wait.SocketError;
        }
    }

    private void OnSent()
    {
        SocketError failure;
        lock (_gate)
        {
            EndSend();
            if (_released is not null)
            {
                Release();
                _released.SetResult();
                return;
            }

            SendAll();
            failure = _error;
            if (_parked && failure == SocketError.Success && Fits)
            {
                CopyRest();
                EndParked(FlushEnd.Done);
            }
        }

        if (failure != SocketError.Success)
        {
            connection.Lost(failure);
        }
    }

    private void SendFinIfCompleted()
    {
        if (!_completed || _finSent || _error != SocketError.Success)
        {
            return;
        }

        try
        {
            connection.Socket.Shutdown(SocketShutdown.Send);
            _finSent = true;
            _fin?.TrySetResult(true);
        }
        catch (SocketException error)
        {
            _error = error.SocketErrorCode;
        }
        catch (ObjectDisposedException)
        {
            _error = SocketError.OperationAborted;
        }
    }

    private void Release()
    {
        _queue.Release();
        _wait?.Dispose();
    }

    /// <summary>A send of the front of the queue: it ends when the kernel has taken all of it.</summary>
    private sealed class SendWait(SocketOutput output) : SocketAsyncEventArgs(SuppressContext)
    {
        protected override void OnCompleted(SocketAsyncEventArgs e) => output.OnSent();
    }
}
