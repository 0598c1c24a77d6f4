using System.Buffers;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Messages;

/// <summary>What reading and writing a message allocates: nothing, the text of a line apart.</summary>
internal sealed class ProtocolAllocationTests
{
    private const int Turns = 1000;
    private const int Length = 60;
    private static readonly byte[] Stream = [.. Enumerable.Repeat((byte)'x', Length), (byte)'\r', (byte)'\n'];
    private readonly LineProtocol _lines = new();

    private static IEnumerable<TestCaseData<IProtocol<ReadOnlySequence<byte>>, byte[]>> OfBytes =>
    [
        new(new LengthPrefixProtocol(1), [Length, .. Stream[..Length]]),
        new(new LengthPrefixProtocol(2, bigEndian: false), [Length, 0, .. Stream[..Length]]),
        new(new LengthPrefixProtocol(4), [0, 0, 0, Length, .. Stream[..Length]]),
        new(new DelimiterProtocol("\n"u8), Stream),
        new(new DelimiterProtocol("\r\n"u8), Stream),
        new(new DelimiterProtocol("\r\n\r\n"u8), [.. Stream, .. "\r\n"u8]),
        new(new FixedSizeProtocol(Length), Stream[..Length]),
    ];

    [TestCaseSource(nameof(OfBytes))]
    public void A_message_of_bytes_costs_no_memory(IProtocol<ReadOnlySequence<byte>> protocol, byte[] stream)
    {
        foreach (var received in Received(stream))
        {
            var message = Read(protocol, received);
            Assert.Multiple(() =>
            {
                Assert.That(Allocated(() => Read(protocol, received)), Is.Zero, "read");
                Assert.That(Allocated(Writing(protocol, message)), Is.Zero, "written");
            });
        }
    }

    [TestCase("\n")]
    [TestCase("\r\n")]
    public void A_line_costs_its_text(string newLine)
    {
        var protocol = new LineProtocol(newLine: newLine);
        foreach (var received in Received(Stream))
        {
            var line = Read(protocol, received);
            Assert.Multiple(() =>
            {
                Assert.That(Allocated(() => Read(protocol, received)), Is.EqualTo(Allocated(() => new string('x', Length))), "read");
                Assert.That(Allocated(Writing(protocol, line)), Is.Zero, "written");
            });
        }
    }

    /// <summary>Longer than what is decoded on the stack.</summary>
    [Test]
    public void A_long_line_in_pieces_costs_its_text_too()
    {
        byte[] stream = [.. Enumerable.Repeat((byte)'x', 5000), (byte)'\n'];
        foreach (var received in Received(stream))
        {
            Assert.That(Allocated(() => Read(_lines, received)), Is.EqualTo(Allocated(() => new string('x', 5000))));
        }
    }

    /// <summary>It waits for the rest each time that a piece comes.</summary>
    [TestCaseSource(nameof(OfBytes))]
    public void A_message_that_is_not_whole_costs_nothing(IProtocol<ReadOnlySequence<byte>> protocol, byte[] stream)
    {
        foreach (var received in Received(stream[..^1]))
        {
            Assert.That(Allocated(() => Wait(protocol, received)), Is.Zero);
            Assert.That(Allocated(() => Wait(_lines, received.Slice(0, Length - 1))), Is.Zero);
        }
    }

    /// <summary>In one segment and in two.</summary>
    private static IEnumerable<ReadOnlySequence<byte>> Received(byte[] stream) =>
        [new(stream), Pieces.Of(stream.AsMemory(0, stream.Length / 2), stream.AsMemory(stream.Length / 2)), Pieces.Of(stream.AsMemory(0, 1), stream.AsMemory(1, stream.Length - 2), stream.AsMemory(stream.Length - 1))];

    private static T Read<T>(IProtocol<T> protocol, ReadOnlySequence<byte> received) =>
        protocol.TryRead(ref received, out var message) && received.IsEmpty ? message : throw new AssertionException("it is a whole message");

    private static bool Wait<T>(IProtocol<T> protocol, ReadOnlySequence<byte> received) =>
        !protocol.TryRead(ref received, out _) ? true : throw new AssertionException("it is no whole message");

    private static Func<int> Writing<T>(IProtocol<T> protocol, T message)
    {
        var output = new ArrayBufferWriter<byte>(8192);
        return () =>
        {
            output.ResetWrittenCount();
            protocol.Write(message, output);
            return output.WrittenCount;
        };
    }

    /// <summary>By one call, once the runtime has compiled what it calls.</summary>
    private static double Allocated<T>(Func<T> call)
    {
        T last = default!;
        for (var turn = 0; turn < Turns; turn++)
        {
            last = call();
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var turn = 0; turn < Turns; turn++)
        {
            last = call();
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        GC.KeepAlive(last);
        return (double)allocated / Turns;
    }
}
