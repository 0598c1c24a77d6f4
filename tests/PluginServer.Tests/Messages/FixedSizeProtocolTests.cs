using System.Buffers;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Messages;

internal sealed class FixedSizeProtocolTests
{
    private readonly FixedSizeProtocol _protocol = new(2);

    [TestCase("", "", 0)]
    [TestCase("AA", "", 0)]
    [TestCase("AABB", "AABB", 2)]
    [TestCase("AABBCCDDEE", "AABB | CCDD", 4)]
    public void A_stream_is_read_as_it_should_be(string stream, string messages, int consumed)
    {
        var bytes = Convert.FromHexString(stream);
        var expected = new ProtocolReading(messages, consumed, null);
        Assert.That(ProtocolReading.Of(_protocol, bytes), Is.EqualTo(expected));
        Assert.That(ProtocolReading.Of(_protocol, Pieces.OneByOne(bytes)), Is.EqualTo(expected));
    }

    [Test]
    public void A_message_of_another_size_is_refused_and_nothing_is_written([Values(0, 1, 3)] int length)
    {
        var output = new ArrayBufferWriter<byte>();
        Assert.That(() => _protocol.Write(new ReadOnlySequence<byte>(new byte[length]), output), Throws.ArgumentException.With.Message.StartsWith($"The message has {length} bytes, and each has 2."));
        Assert.That(output.WrittenCount, Is.Zero);
        Assert.That(() => _protocol.Write(default, null!), Throws.ArgumentNullException);
    }

    [Test]
    public void A_size_is_at_least_1([Values(0, -1)] int size)
    {
        Assert.That(() => new FixedSizeProtocol(size), Throws.TypeOf<ArgumentOutOfRangeException>().With.Property("ParamName").EqualTo("size"));
        Assert.That(_protocol.Size, Is.EqualTo(2));
    }

    [Test]
    public void A_message_is_the_buffer_itself_and_not_a_copy()
    {
        byte[] received = [1, 2, 3];
        var buffer = new ReadOnlySequence<byte>(received);
        Assert.That(_protocol.TryRead(ref buffer, out var message));
        received[0] = 9;
        Assert.That(message.ToArray(), Is.EqualTo(new byte[] { 9, 2 }));
    }
}
