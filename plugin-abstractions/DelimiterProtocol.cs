using System.Buffers;

namespace PluginServer;

/// <summary>Messages of bytes, each followed by a delimiter, which is not part of it.</summary>
/// <remarks>May serve any number of connections at once. A message is the buffer that it was received in, without a copy: it is valid until the
/// handler has dealt with it.</remarks>
public sealed class DelimiterProtocol : IProtocol<ReadOnlySequence<byte>>
{
    /// <summary>How long a message may be unless something else is said, in bytes.</summary>
    public const int DefaultMaximumLength = 64 * 1024;

    private readonly byte[] _delimiter;
    private readonly int[] _seams;

    /// <param name="delimiter">One byte or more; it is copied.</param>
    /// <param name="maximumLength">Of a message without its delimiter, in bytes; at least 1. With it, it must fit in the endpoint's <c>readLimit</c>.</param>
    /// <exception cref="ArgumentException"><paramref name="delimiter"/> is empty.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maximumLength"/> is less than 1.</exception>
    public DelimiterProtocol(ReadOnlySpan<byte> delimiter, int maximumLength = DefaultMaximumLength)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maximumLength, 1);
        _delimiter = delimiter.IsEmpty ? throw new ArgumentException("A delimiter has at least one byte.", nameof(delimiter)) : delimiter.ToArray();
        _seams = SeamsOf(_delimiter);
        MaximumLength = maximumLength;
    }

    /// <summary>How long a message may be without its delimiter, in bytes.</summary>
    public int MaximumLength { get; }

    /// <inheritdoc/>
    public bool TryRead(ref ReadOnlySequence<byte> buffer, out ReadOnlySequence<byte> message)
    {
        var reader = new SequenceReader<byte>(buffer);
        var found = reader.TryReadTo(out message, _delimiter, advancePastDelimiter: true);
        if (found ? message.Length > MaximumLength : buffer.Length - _delimiter.Length >= MaximumLength)
        {
            throw new InvalidMessageException($"a message has more than {MaximumLength} bytes");
        }

        if (found)
        {
            buffer = reader.UnreadSequence;
        }

        return found;
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySequence<byte> message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (message.Length > MaximumLength)
        {
            throw new ArgumentException($"The message has {message.Length} bytes, and at most {MaximumLength} are allowed.", nameof(message));
        }

        if (IsCutShort(message))
        {
            throw new ArgumentException("The message has the delimiter in it, or makes one with the one behind it: it would be read as another.", nameof(message));
        }

        foreach (var segment in message)
        {
            output.Write(segment.Span);
        }

        output.Write(_delimiter);
    }

    /// <summary>Whether the first delimiter of what would be written is not the one behind the message.</summary>
    private bool IsCutShort(in ReadOnlySequence<byte> message)
    {
        var reader = new SequenceReader<byte>(message);
        if (reader.TryReadTo(out ReadOnlySequence<byte> _, _delimiter))
        {
            return true;
        }

        foreach (var seam in _seams)
        {
            if (message.Length >= seam && new SequenceReader<byte>(message.Slice(message.Length - seam)).IsNext(_delimiter.AsSpan(0, seam)))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Each count of bytes that, at the end of a message, make a delimiter with the beginning of the one behind it: "ab" with "ab" of "abab".</summary>
    private static int[] SeamsOf(byte[] delimiter) =>
        [.. Enumerable.Range(1, delimiter.Length - 1).Where(count => delimiter.AsSpan(count).SequenceEqual(delimiter.AsSpan(0, delimiter.Length - count)))];
}
