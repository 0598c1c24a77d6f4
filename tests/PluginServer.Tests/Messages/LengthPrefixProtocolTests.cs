using System.Buffers;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Messages;

internal sealed class LengthPrefixProtocolTests
{
    [TestCase(1, true, "02AABB", "AABB", 3)]
    [TestCase(1, true, "00", "", 1)]
    [TestCase(1, true, "00000100", " |  | 00", 4)]
    [TestCase(2, true, "0002AABB", "AABB", 4)]
    [TestCase(2, false, "0200AABB", "AABB", 4)]
    [TestCase(2, true, "00", "", 0)]
    [TestCase(4, true, "00000002AABBCC", "AABB", 6)]
    [TestCase(4, false, "02000000AABBCC", "AABB", 6)]
    [TestCase(4, false, "020000", "", 0)]
    [TestCase(4, false, "02000000AA", "", 0)]
    public void A_stream_is_read_as_it_should_be(int prefix, bool bigEndian, string stream, string messages, int consumed)
    {
        var protocol = new LengthPrefixProtocol(prefix, bigEndian);
        var bytes = Convert.FromHexString(stream);
        var expected = new ProtocolReading(messages, consumed, null);
        Assert.That(ProtocolReading.Of(protocol, bytes), Is.EqualTo(expected));
        Assert.That(ProtocolReading.Of(protocol, Pieces.OneByOne(bytes)), Is.EqualTo(expected));
    }

    [TestCase(true, "80000000", 2147483648)]
    [TestCase(false, "00000080", 2147483648)]
    [TestCase(true, "FFFFFFFF", 4294967295)]
    public void A_length_with_the_top_bit_set_is_a_large_one_and_not_a_negative_one(bool bigEndian, string stream, long length) =>
        Assert.That(
            ProtocolReading.Of(new LengthPrefixProtocol(4, bigEndian, int.MaxValue), Convert.FromHexString(stream)),
            Is.EqualTo(new ProtocolReading("", 0, $"a message of {length} bytes is announced, and at most 2147483647 are allowed")));

    [Test]
    public void A_message_of_exactly_the_maximum_is_read_and_one_more_is_refused_before_it_has_come()
    {
        var protocol = new LengthPrefixProtocol(2, maximumLength: 3);
        Assert.That(ProtocolReading.Of(protocol, Convert.FromHexString("0003AABBCC")).Messages, Is.EqualTo("AABBCC"));
        Assert.That(ProtocolReading.Of(protocol, Convert.FromHexString("0003AABBCC0004")), Is.EqualTo(new ProtocolReading("AABBCC", 5, "a message of 4 bytes is announced, and at most 3 are allowed")));
    }

    [Test]
    public void A_message_is_the_buffer_itself_and_not_a_copy()
    {
        byte[] received = [2, 7, 8, 9];
        var buffer = new ReadOnlySequence<byte>(received);
        Assert.That(new LengthPrefixProtocol(1).TryRead(ref buffer, out var message));
        received[1] = 1;
        Assert.That(message.ToArray(), Is.EqualTo(new byte[] { 1, 8 }));
        Assert.That(buffer.ToArray(), Is.EqualTo(new byte[] { 9 }));
    }

    [TestCase(1, true, 255, "FF")]
    [TestCase(2, true, 258, "0102")]
    [TestCase(2, false, 258, "0201")]
    [TestCase(2, true, 65535, "FFFF")]
    [TestCase(4, true, 65536, "00010000")]
    [TestCase(4, false, 65536, "00000100")]
    public void A_message_is_written_behind_its_length(int prefix, bool bigEndian, int length, string expected)
    {
        var output = new ArrayBufferWriter<byte>();
        new LengthPrefixProtocol(prefix, bigEndian).Write(new ReadOnlySequence<byte>(new byte[length]), output);
        Assert.That(Convert.ToHexString(output.WrittenSpan[..prefix]), Is.EqualTo(expected));
        Assert.That(output.WrittenCount, Is.EqualTo(prefix + length));
        Assert.That(ProtocolReading.Of(new LengthPrefixProtocol(prefix, bigEndian), output.WrittenSpan.ToArray()).Consumed, Is.EqualTo(prefix + length));
    }

    [Test]
    public void A_message_that_is_too_long_is_refused_and_nothing_is_written()
    {
        var output = new ArrayBufferWriter<byte>();
        var protocol = new LengthPrefixProtocol(1, maximumLength: 3);
        Assert.That(() => protocol.Write(new ReadOnlySequence<byte>(new byte[4]), output), Throws.ArgumentException.With.Message.StartsWith("The message has 4 bytes, and at most 3 are allowed."));
        Assert.That(output.WrittenCount, Is.Zero);
        Assert.That(() => protocol.Write(default, null!), Throws.ArgumentNullException);
    }

    [Test]
    public void A_prefix_has_1_2_or_4_bytes([Values(-1, 0, 3, 5, 8)] int prefix) =>
        Assert.That(() => new LengthPrefixProtocol(prefix), Throws.TypeOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("prefixLength").And.Message.Contains("A prefix has 1, 2 or 4 bytes."));

    [TestCase(1, 256, 255)]
    [TestCase(2, 65536, 65535)]
    [TestCase(1, -1, 255)]
    [TestCase(4, -1, int.MaxValue)]
    public void A_maximum_is_one_that_the_prefix_can_say(int prefix, int maximum, int largest)
    {
        Assert.That(
            () => new LengthPrefixProtocol(prefix, maximumLength: maximum),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("maximumLength").And.Message.Contains($"A prefix of {prefix} bytes can say 0 to {largest}."));
        Assert.That(new LengthPrefixProtocol(prefix, maximumLength: largest).MaximumLength, Is.EqualTo(largest));
        Assert.That(new LengthPrefixProtocol(prefix, maximumLength: 0).MaximumLength, Is.Zero);
    }

    [TestCase(1, 255)]
    [TestCase(2, 65535)]
    [TestCase(4, LengthPrefixProtocol.DefaultMaximumLength)]
    public void Without_a_maximum_it_is_64_KiB_or_what_the_prefix_can_say(int prefix, int expected)
    {
        var protocol = new LengthPrefixProtocol(prefix, bigEndian: false);
        Assert.That((protocol.MaximumLength, protocol.PrefixLength, protocol.IsBigEndian), Is.EqualTo((expected, prefix, false)));
    }
}
