namespace PluginServer.Networking;

/// <content>Messages of others, between two flushes of the handler.</content>
internal sealed partial class TlsOutput
{
    private Deliveries? _deliveries;

    /// <summary>See <see cref="TransportConnection.Deliver"/>.</summary>
    public bool Deliver(ReadOnlyMemory<byte> message, int limit)
    {
        lock (_plain)
        {
            if (_completed || _left || connection.End.Cause != CloseCause.None)
            {
                return true;
            }

            if (inner.Unsent + _plain.Flushed + _rest.Length + (_deliveries?.Bytes ?? 0) + message.Length > limit)
            {
                return false;
            }

            (_deliveries ??= new Deliveries()).Add(message);
            try
            {
                DeliverWaiting();
            }
            catch (ConnectionClosedException)
            {
                // Whoever reads or writes is told.
            }

            return true;
        }
    }

    /// <summary>Whenever the handler may have come between two flushes.</summary>
    private void DeliverWaiting()
    {
        while (_deliveries is { IsEmpty: false } deliveries && _rest.IsEmpty && !_plain.IsBegun)
        {
            // The limit has seen to it that this is not much; a flush that waits goes on behind it.
            _plain.Append(deliveries.Take().Span);
            Encrypt(all: true);
        }
    }
}
