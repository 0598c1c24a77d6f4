namespace PluginServer.Networking;

/// <summary>Messages of others that wait until a handler has flushed what it has begun to write.</summary>
/// <remarks>For whoever has the lock of the output.</remarks>
internal sealed class Deliveries
{
    private readonly Queue<ReadOnlyMemory<byte>> _messages = new();

    public bool IsEmpty => _messages.Count == 0;

    /// <summary>How much they are together.</summary>
    public long Bytes { get; private set; }

    /// <summary>Takes note of a message; it must not change any more.</summary>
    public void Add(ReadOnlyMemory<byte> message)
    {
        _messages.Enqueue(message);
        Bytes += message.Length;
    }

    /// <summary>The oldest one, which counts no more.</summary>
    public ReadOnlyMemory<byte> Take()
    {
        var message = _messages.Dequeue();
        Bytes -= message.Length;
        return message;
    }
}
