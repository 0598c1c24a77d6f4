using System.Net.Sockets;

namespace PluginServer.Networking;

/// <content>The socket's side: sending, and waiting with what the kernel did not take.</content>
internal sealed partial class TransportOutput
{
    private long _sent;
    private SocketError _error;

    /// <summary>The kernel has no room, and it will be told of when there is; the front of the queue may be on its way.</summary>
    private bool _sending;

    /// <summary>Set before the kernel is asked, and cleared when it has taken all: whoever hears of room and finds it cleared has nobody to tell.</summary>
    private volatile bool _asks;

    public long Sent => Volatile.Read(ref _sent);

    /// <summary>Whether <see cref="OnRoom"/> would change anything. Without the lock: most events are no news for the output.</summary>
    public bool MindsRoom => _asks;

    /// <summary>Flushed and not sent.</summary>
    private long Queued => _queue?.Flushed ?? 0;

    /// <summary>A flush need not wait any longer.</summary>
    private bool Fits => Queued + RestOfSource.Length < TransportConnection.FlushThreshold;

    /// <summary>There is room again. True when the flush that waited has ended by it: the caller has to resume it.</summary>
    public bool OnRoom(int sent, SocketError error)
    {
        var resume = false;
        SocketError failure;
        lock (connection)
        {
            EndWait(sent, error);
            if (_leaving?.Released is { } released)
            {
                Release();
                released.SetResult();
                return false;
            }

            SendAll();
            DeliverWaiting();
            failure = _error;
            resume = failure == SocketError.Success && Fits && TryClaim(FlushEnd.Done, inline: true);
        }

        if (failure != SocketError.Success)
        {
            connection.Lost(failure);
        }

        return resume;
    }

    /// <summary>Sends bytes that are not the handler's own, whether it waits or not. False when a flush would wait now.</summary>
    public bool Post(ReadOnlySpan<byte> bytes)
    {
        SocketError failure;
        lock (connection)
        {
            if (_completed)
            {
                return true;
            }

            if (connection.Ending is { } ending)
            {
                throw ending.ToException();
            }

            SendOrQueue(bytes);
            failure = _error;
            if (failure == SocketError.Success)
            {
                return Fits;
            }
        }

        throw connection.Lost(failure);
    }

    /// <summary>The same with a source behind what is queued. Where nothing is queued it goes to the socket as it is.</summary>
    private void SendAll(ReadOnlyMemory<byte> source)
    {
        if (source.IsEmpty)
        {
            SendAll();
            return;
        }

        if (Queued > 0 || _sending || _error != SocketError.Success)
        {
            Wait().Rest = source;
            SendAll();
            return;
        }

        var bytes = Bytes(source);
        var count = bytes.IsEmpty ? 0 : Send(bytes);
        if (count < source.Length && _error == SocketError.Success)
        {
            Wait().Rest = source[count..];
            StartWait();
            SendAll();
        }
    }

    /// <summary>Sends until nothing is left or the kernel's buffer is full; then the socket has the front of the queue.</summary>
    private void SendAll()
    {
        while (!_sending && _error == SocketError.Success)
        {
            var queued = Queued > 0;
            var next = queued ? _queue!.Next.Span : Bytes(RestOfSource);
            if (next.IsEmpty)
            {
                SendFinIfCompleted();
                return;
            }

            var count = Send(next);
            if (queued)
            {
                _queue!.Sent(count);
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
        var rest = RestOfSource;
        var count = (int)Math.Clamp(TransportConnection.FlushThreshold - Queued, 0, rest.Length);
        if (count > 0 && Bytes(rest) is { IsEmpty: false } bytes)
        {
            Queue.Append(bytes[..count]);
            SkipRest(count);
        }
    }

    /// <summary>The caller no longer waits: the rest of its source becomes ours, so that the stream has no hole.</summary>
    private void CopyRest()
    {
        if (!RestOfSource.IsEmpty)
        {
            Queue.Append(Bytes(RestOfSource));
            DropRest();
            DeliverWaiting();
        }
    }

    private void DropRest()
    {
        if (_waiting is { } waiting)
        {
            waiting.Rest = default;
        }
    }

    /// <summary>What a source holds; a plugin's own memory may refuse, on a thread that must survive it.</summary>
    private ReadOnlySpan<byte> Bytes(ReadOnlyMemory<byte> source)
    {
        try
        {
            return source.Span;
        }
        catch (Exception)
        {
            DropRest();
            _error = SocketError.Fault;
            return default;
        }
    }

    // Nothing refers to the source once all of it is sent.
    private void SkipRest(int count)
    {
        if (_waiting is { } waiting)
        {
            waiting.Rest = count == waiting.Rest.Length ? default : waiting.Rest[count..];
        }
    }

    private int Send(ReadOnlySpan<byte> source)
    {
        // The call that follows is a full fence, before the kernel is asked.
        _asks = true;
        var count = connection.Send(source, out var error);
        Volatile.Write(ref _sent, _sent + count);
        if (error != SocketError.Success)
        {
            _error = error;
        }
        else if (count == source.Length)
        {
            _asks = false;
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
        if (!connection.WaitForRoom(_queue is { } queue ? queue.Next : default, out var sent, out var error))
        {
            EndWait(sent, error);
        }
    }

    private void EndWait(int sent, SocketError error)
    {
        _sending = false;
        Volatile.Write(ref _sent, _sent + sent);
        if (sent > 0)
        {
            _queue!.Sent(sent);
        }

        if (error != SocketError.Success)
        {
            _error = error;
        }
    }
}
