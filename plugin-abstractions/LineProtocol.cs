using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace PluginServer;

/// <summary>Lines of UTF-8 text (RFC 3629) that end in LF or CRLF. A message is a line without its end.</summary>
/// <remarks>May serve any number of connections at once. Bytes that are not UTF-8 are an <see cref="InvalidMessageException"/>.</remarks>
public sealed class LineProtocol : IProtocol<string>
{
    /// <summary>How long a line may be unless something else is said, in bytes.</summary>
    public const int DefaultMaximumLength = 64 * 1024;

    private const int LongestOnStack = 1024;
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private readonly string _newLine;

    /// <param name="maximumLength">Of a line without its end, in bytes; at least 1. With its end it must fit in the endpoint's <c>readLimit</c>.</param>
    /// <param name="newLine">What is written at the end of each line: "\n" or "\r\n". Both are read.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maximumLength"/> is less than 1, or <paramref name="newLine"/> something else.</exception>
    public LineProtocol(int maximumLength = DefaultMaximumLength, string newLine = "\n")
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maximumLength, 1);
        MaximumLength = maximumLength;
        _newLine = newLine is "\n" or "\r\n" ? newLine : throw new ArgumentOutOfRangeException(nameof(newLine), newLine, "A line ends in \\n or in \\r\\n.");
    }

    /// <summary>How long a line may be without its end, in bytes.</summary>
    public int MaximumLength { get; }

    /// <inheritdoc/>
    public bool TryRead(ref ReadOnlySequence<byte> buffer, [MaybeNullWhen(false)] out string message)
    {
        var end = buffer.PositionOf((byte)'\n');
        var line = end is { } position ? buffer.Slice(0, position) : buffer;

        // The CR of the end may have come without its LF.
        if (line.Length > MaximumLength && (line.Length > MaximumLength + 1L || !EndsInReturn(line)))
        {
            throw new InvalidMessageException($"a line has more than {MaximumLength} bytes");
        }

        if (end is null)
        {
            message = null;
            return false;
        }

        message = Decode(EndsInReturn(line) ? line.Slice(0, line.Length - 1) : line);
        buffer = buffer.Slice(buffer.GetPosition(1, end.Value));
        return true;
    }

    /// <inheritdoc/>
    public void Write(string message, IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(message);
        ArgumentNullException.ThrowIfNull(output);
        if (message.Contains('\n', StringComparison.Ordinal) || message.EndsWith('\r'))
        {
            throw new ArgumentException("The text of a line has no \\n in it, and no \\r at its end: it would be read as another.", nameof(message));
        }

        // An encoder that throws has not been given the output yet.
        var length = Utf8.GetByteCount(message);
        if (length > MaximumLength)
        {
            throw new ArgumentException($"The line has {length} bytes, and at most {MaximumLength} are allowed.", nameof(message));
        }

        var span = output.GetSpan(length + _newLine.Length);
        var written = Utf8.GetBytes(message, span);
        written += Utf8.GetBytes(_newLine, span[written..]);
        output.Advance(written);
    }

    private static bool EndsInReturn(in ReadOnlySequence<byte> line) => !line.IsEmpty && line.Slice(line.Length - 1).FirstSpan[0] == '\r';

    private static string Decode(in ReadOnlySequence<byte> line)
    {
        try
        {
            return line.IsSingleSegment ? Utf8.GetString(line.FirstSpan) : DecodePieces(line);
        }
        catch (DecoderFallbackException error)
        {
            throw new InvalidMessageException("a line is not UTF-8", error);
        }
    }

    private static string DecodePieces(in ReadOnlySequence<byte> line)
    {
        var length = (int)line.Length;
        var rented = length > LongestOnStack ? ArrayPool<byte>.Shared.Rent(length) : null;
        try
        {
            var bytes = rented is null ? stackalloc byte[length] : rented.AsSpan(0, length);
            line.CopyTo(bytes);
            return Utf8.GetString(bytes);
        }
        finally
        {
            if (rented is not null)
            {
                ArrayPool<byte>.Shared.Return(rented);
            }
        }
    }
}
