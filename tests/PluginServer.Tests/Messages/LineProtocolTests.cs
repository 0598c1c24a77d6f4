using System.Buffers;
using System.Text;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Messages;

internal sealed class LineProtocolTests
{
    private const string TooLong = "a line has more than 4 bytes";
    private readonly LineProtocol _lines = new(maximumLength: 4);

    [TestCase("", "", 0, null)]
    [TestCase("\n", "", 1, null)]
    [TestCase("\r\n", "", 2, null)]
    [TestCase("\n\r\n\n", " |  | ", 4, null)]
    [TestCase("a\nb\r\nc", "a | b", 5, null)]
    [TestCase("a\rb\n", "a\rb", 4, null, Description = "a CR alone ends nothing")]
    [TestCase("\r", "", 0, null)]
    [TestCase("\ra\n", "\ra", 3, null)]
    [TestCase("a\r\r\n", "a\r", 4, null, Description = "one CR belongs to the end, and no more")]
    [TestCase("abcd\n", "abcd", 5, null)]
    [TestCase("abcd\r\n", "abcd", 6, null)]
    [TestCase("abcd", "", 0, null)]
    [TestCase("abcd\r", "", 0, null)]
    [TestCase("abc\r\r\n", "abc\r", 6, null)]
    [TestCase("abcde", "", 0, TooLong, Description = "nothing that may come makes it shorter")]
    [TestCase("abcde\n", "", 0, TooLong)]
    [TestCase("abcde\r\n", "", 0, TooLong)]
    [TestCase("abcd\r\r\n", "", 0, TooLong)]
    [TestCase("a\nabcde\nb\n", "a", 2, TooLong)]
    [TestCase("\u20aca\n", "\u20aca", 5, null, Description = "the maximum is in bytes")]
    [TestCase("\u20ac\u20ac\n", "", 0, TooLong)]
    public void A_stream_is_read_as_it_should_be(string stream, string messages, int consumed, string? error)
    {
        var bytes = Encoding.UTF8.GetBytes(stream);
        var expected = new ProtocolReading(messages, consumed, error);
        Assert.That(ProtocolReading.Of(_lines, bytes), Is.EqualTo(expected));
        Assert.That(ProtocolReading.Of(_lines, Pieces.OneByOne(bytes)), Is.EqualTo(expected));
    }

    [Test]
    public void A_CR_before_its_LF_may_be_the_end_of_a_segment_or_one_of_its_own()
    {
        Assert.That(ProtocolReading.Of(_lines, ["abcd\r"u8.ToArray(), "\n"u8.ToArray()]), Is.EqualTo(new ProtocolReading("abcd", 6, null)));
        Assert.That(ProtocolReading.Of(_lines, ["abcd"u8.ToArray(), "\r"u8.ToArray(), "\n"u8.ToArray()]), Is.EqualTo(new ProtocolReading("abcd", 6, null)));
    }

    [TestCase(new byte[] { 0xff }, Description = "no byte of UTF-8")]
    [TestCase(new byte[] { 0xc3 }, Description = "half a character")]
    [TestCase(new byte[] { 0xc0, 0xaf }, Description = "a longer form than needed")]
    [TestCase(new byte[] { 0xed, 0xa0, 0x80 }, Description = "half a surrogate pair")]
    public void What_is_not_UTF8_is_no_line_and_says_why(byte[] bytes)
    {
        byte[] stream = [.. "ok\n"u8, .. bytes, (byte)'\n'];
        var expected = new ProtocolReading("ok", 3, "a line is not UTF-8");
        Assert.That(ProtocolReading.Of(_lines, stream), Is.EqualTo(expected));
        Assert.That(ProtocolReading.Of(_lines, Pieces.OneByOne(stream)), Is.EqualTo(expected));
        var buffer = new ReadOnlySequence<byte>(stream, 3, stream.Length - 3);
        Assert.That(() => _lines.TryRead(ref buffer, out _), Throws.TypeOf<InvalidMessageException>().With.InnerException.TypeOf<DecoderFallbackException>());
    }

    [Test]
    public void A_character_may_be_in_two_segments_and_a_long_line_in_many()
    {
        var text = string.Concat(Enumerable.Repeat("\u20ac", LineProtocol.DefaultMaximumLength / 3)) + "x";
        var bytes = Encoding.UTF8.GetBytes(text + "\n");
        Assert.That(bytes, Has.Length.EqualTo(LineProtocol.DefaultMaximumLength + 1));
        var expected = new ProtocolReading(text, bytes.Length, null);
        Assert.That(ProtocolReading.Of(new LineProtocol(), bytes), Is.EqualTo(expected));
        Assert.That(ProtocolReading.Of(new LineProtocol(), [Pieces.Of(Pieces.OneByOne(bytes)).ToArray()]), Is.EqualTo(expected));
        var buffer = Pieces.Of(bytes.Chunk(1000).Select(static chunk => new ReadOnlyMemory<byte>(chunk)));
        Assert.That(new LineProtocol().TryRead(ref buffer, out var line) && line == text && buffer.IsEmpty);
    }

    [Test]
    public void A_byte_order_mark_is_text_like_any_other() => Assert.That(ProtocolReading.Of(_lines, "\ufeffa\n"u8.ToArray()).Messages, Is.EqualTo("\ufeffa"));

    [TestCase("\n", "ab\n")]
    [TestCase("\r\n", "ab\r\n")]
    public void A_line_is_written_with_the_end_that_was_chosen(string newLine, string expected)
    {
        var output = new ArrayBufferWriter<byte>();
        new LineProtocol(4, newLine).Write("ab", output);
        Assert.That(Encoding.UTF8.GetString(output.WrittenSpan), Is.EqualTo(expected));
    }

    [TestCase("a\nb", "no \\n in it")]
    [TestCase("a\r", "no \\r at its end")]
    [TestCase("abcde", "The line has 5 bytes, and at most 4 are allowed.")]
    [TestCase("\u20ac\u20ac", "The line has 6 bytes, and at most 4 are allowed.")]
    public void What_cannot_be_written_is_refused_and_nothing_is_written(string text, string reason)
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.That(() => _lines.Write(text, output), Throws.InstanceOf<ArgumentException>().With.Message.Contains(reason));
        Assert.That(output.WrittenCount, Is.Zero);
    }

    /// <summary>Not an argument of an attribute, which is UTF-8 itself.</summary>
    [Test]
    public void Half_a_surrogate_pair_cannot_be_written_and_nothing_is()
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.That(() => _lines.Write("a\ud83d", output), Throws.InstanceOf<ArgumentException>().With.Message.Contains("\\uD83D at index 1"));
        Assert.That(() => _lines.Write("\ude00", output), Throws.InstanceOf<ArgumentException>());
        Assert.That(output.WrittenCount, Is.Zero);
    }

    [Test]
    public void Null_is_no_line_and_no_output()
    {
        Assert.That(() => _lines.Write(null!, new ArrayBufferWriter<byte>()), Throws.ArgumentNullException);
        Assert.That(() => _lines.Write("a", null!), Throws.ArgumentNullException);
    }

    [Test]
    public void A_maximum_is_at_least_1_and_an_end_is_LF_or_CRLF()
    {
        Assert.That(() => new LineProtocol(0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("maximumLength"));
        foreach (var newLine in new[] { "", "\r", "\n\r", "\n\n", null! })
        {
            Assert.That(() => new LineProtocol(1, newLine), Throws.TypeOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("newLine").And.Message.Contains("A line ends in \\n or in \\r\\n."));
        }

        Assert.That(new LineProtocol().MaximumLength, Is.EqualTo(LineProtocol.DefaultMaximumLength));
        Assert.That(_lines.MaximumLength, Is.EqualTo(4));
    }

    /// <summary>A maximum that no line can reach does not overflow.</summary>
    [Test]
    public void The_largest_maximum_is_one() =>
        Assert.That(ProtocolReading.Of(new LineProtocol(int.MaxValue), "abc\r\nd"u8.ToArray()), Is.EqualTo(new ProtocolReading("abc", 5, null)));
}
