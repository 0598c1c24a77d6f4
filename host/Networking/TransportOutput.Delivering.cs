using System.Net.Sockets;

namespace PluginServer.Networking;

/// <content>Messages of others, between two flushes of the handler.</content>
internal sealed partial class TransportOutput
{
    private Deliveries? _deliveries;

    /// <summary>Flushed and not sent.</summary>
    public long Unsent
    {
        get
        {
            lock (connection)
            {
                return Queued;
            }
        }
    }

    /// <summary>See <see cref="TransportConnection.Deliver"/>.</summary>
    public bool Deliver(ReadOnlyMemory<byte> message, int limit)
    {
        SocketError failure;
        lock (connection)
        {
            if (_completed || _left || connection.Ending is not null)
            {
                return true;
            }

            if (Queued + RestOfSource.Length + (_deliveries?.Bytes ?? 0) + message.Length > limit)
            {
                return false;
            }

            (_deliveries ??= new Deliveries()).Add(message);
            DeliverWaiting();
            failure = _error;
        }

        if (failure != SocketError.Success)
        {
            connection.Lost(failure);
        }

        return true;
    }

    /// <summary>Whenever the handler may have come between two flushes.</summary>
    private void DeliverWaiting()
    {
        while (_deliveries is { IsEmpty: false } deliveries && _error == SocketError.Success && RestOfSource.IsEmpty && _queue is null or { IsBegun: false })
        {
            SendOrQueue(deliveries.Take().Span);
        }
    }

    /// <summary>Behind what is flushed; nothing may be begun.</summary>
    private void SendOrQueue(ReadOnlySpan<byte> bytes)
    {
        var count = Queued > 0 || _sending || _error != SocketError.Success ? 0 : Send(bytes);
        if (count < bytes.Length && _error == SocketError.Success)
        {
            Queue.Append(bytes[count..]);
            if (!_sending)
            {
                StartWait();
                SendAll();
            }
        }
    }
}
