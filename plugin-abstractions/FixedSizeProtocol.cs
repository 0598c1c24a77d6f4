using System.Buffers;

namespace PluginServer;

/// <summary>Messages of bytes that all have the same size.</summary>
/// <remarks>May serve any number of connections at once. A message is the buffer that it was received in, without a copy: it is valid until the
/// handler has dealt with it.</remarks>
public sealed class FixedSizeProtocol : IProtocol<ReadOnlySequence<byte>>
{
    /// <param name="size">In bytes, at least 1. It must fit in the endpoint's <c>readLimit</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is less than 1.</exception>
    public FixedSizeProtocol(int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        Size = size;
    }

    /// <summary>Of every message, in bytes.</summary>
    public int Size { get; }

    /// <inheritdoc/>
    public bool TryRead(ref ReadOnlySequence<byte> buffer, out ReadOnlySequence<byte> message)
    {
        if (buffer.Length < Size)
        {
            message = default;
            return false;
        }

        message = buffer.Slice(0, Size);
        buffer = buffer.Slice(Size);
        return true;
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (message.Length != Size)
        {
            throw new ArgumentException($"The message has {message.Length} bytes, and each has {Size}.", nameof(message));
        }

        foreach (var segment in message)
        {
            output.Write(segment.Span);
        }
    }
}
