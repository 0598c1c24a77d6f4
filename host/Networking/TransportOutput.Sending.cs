using System.Net.Sockets;

namespace PluginServer.Networking;

/// <content>The socket's side: sending, waiting with what the kernel did not take, and FIN.</content>
internal sealed partial class TransportOutput
{
    private SocketError _error;

    /// <summary>The kernel has no room, and it will be told of when there is; the front of the queue may be on its way.</summary>
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
            if (!_sending || connection.IsEventDriven)
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
                StartWait();
            }
        }

        if (!connection.IsEventDriven)
        {
            FillQueue();
        }
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
        var count = connection.Send(source, out var error);
        Volatile.Write(ref _sent, _sent + count);
        if (error != SocketError.Success)
        {
            _error = error;
        }

        return count;
    }

    private void StartWait()
    {
        if (!connection.IsEventDriven)
        {
            FillQueue();
        }

        _sending = true;
        if (!connection.WaitForRoom(_queue.Next, out var sent, out var error))
        {
            EndWait(sent, error);
        }
    }

    private void EndWait(int sent, SocketError error)
    {
        _sending = false;
        Volatile.Write(ref _sent, _sent + sent);
        _queue.Sent(sent);
        if (error != SocketError.Success)
        {
            _error = error;
        }
    }

    /// <summary>There is room again. True when the flush that waited has ended by it: the caller has to resume it.</summary>
    public bool OnRoom(int sent, SocketError error)
    {
        var resume = false;
        SocketError failure;
        lock (_gate)
        {
            EndWait(sent, error);
            if (_released is not null)
            {
                Release();
                _released.SetResult();
                return false;
            }

            SendAll();
            failure = _error;
            if (_parked && failure == SocketError.Success && Fits)
            {
                CopyRest();
                Claim(FlushEnd.Done, inline: true);
                resume = true;
            }
        }

        if (failure != SocketError.Success)
        {
            connection.Lost(failure);
        }

        return resume;
    }

    /// <summary>Lets the handler go on with a flush that has ended.</summary>
    public void Resume() => _completion.SetResult(true);

    private void SendFinIfCompleted()
    {
        if (!_completed || _finSent || _error != SocketError.Success)
        {
            return;
        }

        var error = connection.ShutDownSending();
        if (error == SocketError.Success)
        {
            _finSent = true;
            _fin?.TrySetResult(true);
        }
        else
        {
            _error = error;
        }
    }

    private void Release()
    {
        _queue.Release();
        connection.Release(input: false);
    }
}
