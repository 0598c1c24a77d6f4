using System.Buffers;
using System.Text;

namespace PluginServer.Tests.Messages;

/// <summary>One protocol as it was constructed, with what its streams are made of and what they ought to be.</summary>
internal sealed class ProtocolCase
{
    private readonly string _name;

    private ProtocolCase(string name) => _name = name;

    /// <summary>Each prefix length and byte order, both line ends, and delimiters some of which overlap themselves; with maxima so small that many messages are longer.</summary>
    public static IEnumerable<ProtocolCase> All =>
    [
        .. from maximum in new[] { 1, 3, 6 } from newLine in new[] { "\n", "\r\n" } select Lines(maximum, newLine),
        .. from prefix in new[] { 1, 2, 4 } from bigEndian in new[] { true, false } from maximum in new[] { 0, 2, 4 } select Prefixed(prefix, bigEndian, maximum),
        .. from delimiter in new[] { "a", "ab", "aa", "aab", "aba", "abab", "aabaa", "\r\n" } from maximum in new[] { 1, 4 } select Delimited(delimiter, maximum),
        .. from size in new[] { 2, 3 } select Fixed(size),
    ];

    /// <summary>The bytes of a random stream.</summary>
    public required byte[] Bytes { get; init; }

    /// <summary>The characters of a random message; of bytes in Latin 1.</summary>
    public required string Characters { get; init; }

    /// <summary>Longer than the longest that can be written.</summary>
    public required int LongestMessage { get; init; }

    /// <summary>Whether every stream is one of messages.</summary>
    public bool IsNeverWrong { get; private init; }

    /// <summary>What the protocol makes of a stream in pieces.</summary>
    public required Func<IEnumerable<ReadOnlyMemory<byte>>, ProtocolReading> Read { get; init; }

    /// <summary>What it ought to make of it.</summary>
    public required Func<byte[], ProtocolReading> Model { get; init; }

    public required Action<string, IBufferWriter<byte>> Write { get; init; }

    /// <summary>What writing ought to write, were it to write any message.</summary>
    public required Func<string, byte[]> Frame { get; init; }

    /// <summary>The message as <see cref="ProtocolReading"/> shows it.</summary>
    public required Func<string, string> Show { get; init; }

    public override string ToString() => _name;

    private static ProtocolCase Lines(int maximum, string newLine)
    {
        var protocol = new LineProtocol(maximum, newLine);
        return new($"lines of {maximum} with {(newLine == "\n" ? "LF" : "CRLF")}")
        {
            Bytes = [.. "\n\n\n\r\r\raaab"u8, .. "\u00e9\u20ac"u8, 0xff],
            Characters = "aab\u00e9\u20ac\ud83d\ude00\r\n",
            LongestMessage = maximum + 2,
            Read = pieces => ProtocolReading.Of(protocol, pieces),
            Model = stream => ProtocolModels.Lines(stream, maximum),
            Write = protocol.Write,
            Frame = text => Encoding.UTF8.GetBytes(text + newLine),
            Show = text => text,
        };
    }

    private static ProtocolCase Prefixed(int prefix, bool bigEndian, int maximum)
    {
        var protocol = new LengthPrefixProtocol(prefix, bigEndian, maximum);
        return OfBytes(
            $"a prefix of {prefix}, {(bigEndian ? "big" : "little")} endian, messages of {maximum}",
            protocol,
            [0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 0x80, 0xff],
            maximum,
            stream => ProtocolModels.Prefixed(stream, prefix, bigEndian, maximum),
            message =>
            {
                var length = Enumerable.Range(0, prefix).Select(index => index == 0 ? (byte)message.Length : (byte)0);
                return [.. bigEndian ? length.Reverse() : length, .. message];
            });
    }

    private static ProtocolCase Delimited(string text, int maximum)
    {
        var delimiter = Encoding.Latin1.GetBytes(text);
        return OfBytes(
            $"delimiter {Convert.ToHexString(delimiter)}, messages of {maximum}",
            new DelimiterProtocol(delimiter, maximum),
            [.. delimiter, .. "abxx"u8],
            maximum,
            stream => ProtocolModels.Delimited(stream, delimiter, maximum),
            message => [.. message, .. delimiter]);
    }

    private static ProtocolCase Fixed(int size) => OfBytes($"messages of {size}", new FixedSizeProtocol(size), [0, (byte)'\n', 0xff], size, stream => ProtocolModels.Fixed(stream, size), message => message);

    private static ProtocolCase OfBytes(string name, IProtocol<ReadOnlySequence<byte>> protocol, byte[] bytes, int maximum, Func<byte[], ProtocolReading> model, Func<byte[], byte[]> frame) => new(name)
    {
        IsNeverWrong = protocol is FixedSizeProtocol,
        Bytes = bytes,
        Characters = Encoding.Latin1.GetString(bytes),
        LongestMessage = maximum + 2,
        Read = pieces => ProtocolReading.Of(protocol, pieces),
        Model = model,

        // In two segments, as a message that was received may be.
        Write = (text, output) => protocol.Write(Support.Pieces.Of(Encoding.Latin1.GetBytes(text[..(text.Length / 2)]), Encoding.Latin1.GetBytes(text[(text.Length / 2)..])), output),
        Frame = text => frame(Encoding.Latin1.GetBytes(text)),
        Show = text => Convert.ToHexString(Encoding.Latin1.GetBytes(text)),
    };
}
