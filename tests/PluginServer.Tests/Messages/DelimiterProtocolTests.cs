using System.Buffers;
using System.Text;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Messages;

internal sealed class DelimiterProtocolTests
{
    private const string TooLong = "a message has more than 3 bytes";

    [TestCase(";", "", "", 0, null)]
    [TestCase(";", ";", "", 1, null)]
    [TestCase(";", "a;;b;c", "a |  | b", 5, null)]
    [TestCase(";", "abc;", "abc", 4, null)]
    [TestCase(";", "abc", "", 0, null)]
    [TestCase(";", "abcd", "", 0, TooLong)]
    [TestCase(";", "abcd;", "", 0, TooLong)]
    [TestCase(";", "a;abcd;", "a", 2, TooLong)]
    [TestCase("--", "abc--", "abc", 5, null)]
    [TestCase("--", "abc-", "", 0, null, Description = "the maximum, and the delimiter may come yet")]
    [TestCase("--", "abcd-", "", 0, TooLong)]
    [TestCase("--", "abc-d", "", 0, TooLong, Description = "one byte more, whatever comes")]
    [TestCase("--", "a---", "a", 3, null, Description = "the first of two that overlap")]
    [TestCase("aab", "aaab", "a", 4, null)]
    [TestCase("aab", "aaaaab", "aaa", 6, null)]
    [TestCase("abab", "abababab", " | ", 8, null)]
    [TestCase("abab", "aabababx", "a", 5, null)]
    public void A_stream_is_read_as_it_should_be(string delimiter, string stream, string messages, int consumed, string? error)
    {
        var protocol = new DelimiterProtocol(Encoding.UTF8.GetBytes(delimiter), 3);
        var bytes = Encoding.UTF8.GetBytes(stream);
        var expected = new ProtocolReading(ProtocolReading.Join(messages.Split(" | ").Select(static message => Convert.ToHexString(Encoding.UTF8.GetBytes(message)))), consumed, error);
        Assert.That(ProtocolReading.Of(protocol, bytes), Is.EqualTo(expected));
        Assert.That(ProtocolReading.Of(protocol, Pieces.OneByOne(bytes)), Is.EqualTo(expected));
    }

    [TestCase(";", "a;", Description = "inside")]
    [TestCase("--", "a-", Description = "at the seam: a---")]
    [TestCase("--", "--")]
    [TestCase("abab", "xab", Description = "at the seam: xababab")]
    [TestCase("aabaa", "aab", Description = "at the seam, by three: aabaabaa")]
    [TestCase("aabaa", "aaba", Description = "at the seam, by four: aabaaabaa")]
    public void A_message_that_would_be_read_as_another_is_refused_and_nothing_is_written(string delimiter, string message)
    {
        var output = new ArrayBufferWriter<byte>();
        var bytes = Encoding.UTF8.GetBytes(message);
        var protocol = new DelimiterProtocol(Encoding.UTF8.GetBytes(delimiter));
        Assert.That(() => protocol.Write(new ReadOnlySequence<byte>(bytes), output), Throws.ArgumentException.With.Message.Contains("it would be read as another"));
        Assert.That(() => protocol.Write(Pieces.Of(Pieces.OneByOne(bytes)), output), Throws.ArgumentException.With.Message.Contains("it would be read as another"));
        Assert.That(output.WrittenCount, Is.Zero);
    }

    [TestCase("abab", "xaba", "xabaabab", Description = "an overlap that makes no delimiter")]
    [TestCase("aab", "aa", "aaaab")]
    [TestCase("\r\n", "\r", "\r\r\n")]
    [TestCase("ab", "", "ab")]
    public void A_message_that_is_read_as_it_was_is_written(string delimiter, string message, string expected)
    {
        var output = new ArrayBufferWriter<byte>();
        new DelimiterProtocol(Encoding.UTF8.GetBytes(delimiter)).Write(new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(message)), output);
        Assert.That(Encoding.UTF8.GetString(output.WrittenSpan), Is.EqualTo(expected));
    }

    [Test]
    public void A_message_that_is_too_long_is_refused_and_nothing_is_written()
    {
        var output = new ArrayBufferWriter<byte>();
        var protocol = new DelimiterProtocol("--"u8, 3);
        Assert.That(() => protocol.Write(new ReadOnlySequence<byte>(new byte[4]), output), Throws.ArgumentException.With.Message.StartsWith("The message has 4 bytes, and at most 3 are allowed."));
        Assert.That(output.WrittenCount, Is.Zero);
        Assert.That(() => protocol.Write(default, null!), Throws.ArgumentNullException);
    }

    [Test]
    public void A_delimiter_has_a_byte_and_a_maximum_is_at_least_1()
    {
        Assert.That(() => new DelimiterProtocol([]), Throws.ArgumentException.With.Property("ParamName").EqualTo("delimiter").And.Message.Contains("A delimiter has at least one byte."));
        Assert.That(() => new DelimiterProtocol("a"u8, 0), Throws.TypeOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("maximumLength"));
        Assert.That(new DelimiterProtocol("a"u8).MaximumLength, Is.EqualTo(DelimiterProtocol.DefaultMaximumLength));
    }

    [Test]
    public void A_delimiter_is_copied_and_a_message_is_not()
    {
        var delimiter = ";"u8.ToArray();
        var received = "ab;"u8.ToArray();
        var protocol = new DelimiterProtocol(delimiter, int.MaxValue);
        delimiter[0] = (byte)'a';
        var buffer = new ReadOnlySequence<byte>(received);
        Assert.That(protocol.TryRead(ref buffer, out var message));
        received[0] = (byte)'x';
        Assert.That(message.ToArray(), Is.EqualTo("xb"u8.ToArray()));
    }
}
