using System.Buffers;
using System.Buffers.Binary;

namespace PluginServer;

/// <summary>Messages of bytes, each behind its length: an unsigned number of 1, 2 or 4 bytes that does not count itself.</summary>
/// <remarks>May serve any number of connections at once. A message is the buffer that it was received in, without a copy: it is valid until the
/// handler has dealt with it.</remarks>
public sealed class LengthPrefixProtocol : IProtocol<ReadOnlySequence<byte>>
{
    /// <summary>How long a message may be unless something else is said, in bytes; less where the prefix cannot say so much.</summary>
    public const int DefaultMaximumLength = 64 * 1024;

    private const int LongestPrefix = 4;

    /// <param name="prefixLength">1, 2 or 4 bytes.</param>
    /// <param name="bigEndian">Whether the prefix is in the order of the network, the most significant byte first.</param>
    /// <param name="maximumLength">Of a message without its prefix, in bytes, from 0 to what the prefix can say; by default
    /// <see cref="DefaultMaximumLength"/> or that. With its prefix it must fit in the endpoint's <c>readLimit</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">One of them is out of its range.</exception>
    public LengthPrefixProtocol(int prefixLength, bool bigEndian = true, int? maximumLength = null)
    {
        PrefixLength = prefixLength is 1 or 2 or LongestPrefix
            ? prefixLength
            : throw new ArgumentOutOfRangeException(nameof(prefixLength), prefixLength, "A prefix has 1, 2 or 4 bytes.");
        IsBigEndian = bigEndian;
        var largest = prefixLength == LongestPrefix ? int.MaxValue : (1 << (8 * prefixLength)) - 1;
        MaximumLength = maximumLength ?? Math.Min(DefaultMaximumLength, largest);
        if (MaximumLength < 0 || MaximumLength > largest)
        {
            throw new ArgumentOutOfRangeException(nameof(maximumLength), maximumLength, $"A prefix of {prefixLength} bytes can say 0 to {largest}.");
        }
    }

    /// <summary>How long the prefix is, in bytes.</summary>
    public int PrefixLength { get; }

    /// <summary>Whether the most significant byte of the prefix comes first.</summary>
    public bool IsBigEndian { get; }

    /// <summary>How long a message may be without its prefix, in bytes.</summary>
    public int MaximumLength { get; }

    /// <inheritdoc/>
    public bool TryRead(ref ReadOnlySequence<byte> buffer, out ReadOnlySequence<byte> message)
    {
        message = default;
        if (buffer.Length < PrefixLength)
        {
            return false;
        }

        var length = ReadPrefix(buffer);
        if (length > MaximumLength)
        {
            throw new InvalidMessageException($"a message of {length} bytes is announced, and at most {MaximumLength} are allowed");
        }

        if (buffer.Length - PrefixLength < length)
        {
            return false;
        }

        message = buffer.Slice(PrefixLength, length);
        buffer = buffer.Slice(message.End);
        return true;
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (message.Length > MaximumLength)
        {
            throw new ArgumentException($"The message has {message.Length} bytes, and at most {MaximumLength} are allowed.", nameof(message));
        }

        WritePrefix((uint)message.Length, output.GetSpan(PrefixLength));
        output.Advance(PrefixLength);
        foreach (var segment in message)
        {
            output.Write(segment.Span);
        }
    }

    private uint ReadPrefix(in ReadOnlySequence<byte> buffer)
    {
        Span<byte> prefix = stackalloc byte[LongestPrefix];
        buffer.Slice(0, PrefixLength).CopyTo(prefix);

        return (PrefixLength, IsBigEndian) switch
        {
            (1, _) => prefix[0],
            (2, true) => BinaryPrimitives.ReadUInt16BigEndian(prefix),
            (2, false) => BinaryPrimitives.ReadUInt16LittleEndian(prefix),
            (_, true) => BinaryPrimitives.ReadUInt32BigEndian(prefix),
            (_, false) => BinaryPrimitives.ReadUInt32LittleEndian(prefix),
        };
    }

    private void WritePrefix(uint length, Span<byte> prefix)
    {
        switch (PrefixLength, IsBigEndian)
        {
            case (1, _):
                prefix[0] = (byte)length;
                break;
            case (2, true):
                BinaryPrimitives.WriteUInt16BigEndian(prefix, (ushort)length);
                break;
            case (2, false):
                BinaryPrimitives.WriteUInt16LittleEndian(prefix, (ushort)length);
                break;
            case (_, true):
                BinaryPrimitives.WriteUInt32BigEndian(prefix, length);
                break;
            default:
                BinaryPrimitives.WriteUInt32LittleEndian(prefix, length);
                break;
        }
    }
}
