using System.Buffers;

namespace PluginServer.Tests.Support;

/// <summary>Bytes in pieces, as a network delivers them.</summary>
internal sealed class Pieces : ReadOnlySequenceSegment<byte>
{
    private Pieces(ReadOnlyMemory<byte> bytes, Pieces? before)
    {
        Memory = bytes;
        if (before is not null)
        {
            RunningIndex = before.RunningIndex + before.Memory.Length;
            before.Next = this;
        }
    }

    /// <summary>Memory that throws when somebody looks at it.</summary>
    public static ReadOnlyMemory<byte> Forbidden => new Locked().Memory;

    public static ReadOnlySequence<byte> Of(params IEnumerable<ReadOnlyMemory<byte>> pieces)
    {
        Pieces? first = null, last = null;
        foreach (var piece in pieces)
        {
            last = new Pieces(piece, last);
            first ??= last;
        }

        return first is null || last is null ? ReadOnlySequence<byte>.Empty : new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    public static IEnumerable<ReadOnlyMemory<byte>> OneByOne(ReadOnlyMemory<byte> bytes) => Enumerable.Range(0, bytes.Length).Select(at => bytes.Slice(at, 1));

    private sealed class Locked : MemoryManager<byte>
    {
        public override Memory<byte> Memory => CreateMemory(64);

        public override Span<byte> GetSpan() => throw new AssertionException("somebody looks at what is not his");

        public override MemoryHandle Pin(int elementIndex = 0) => throw new AssertionException("somebody pins what is not his");

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
