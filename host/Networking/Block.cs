using System.Buffers;

namespace PluginServer.Networking;

/// <summary>A pinned array that is its own sequence segment, so that a read allocates nothing.</summary>
internal sealed class Block : ReadOnlySequenceSegment<byte>
{
    /// <summary>Twice the size of a common large message: one that fills a block exactly looks as if more were waiting.</summary>
    public const int Size = 32 * 1024;

    /// <summary>What is kept of a message that has begun, while its rest is waited for.</summary>
    public const int SmallSize = 512;

    public Block(int size)
    {
        // Nothing is received into a small one.
        Array = GC.AllocateUninitializedArray<byte>(size, pinned: size != SmallSize);
        Memory = Array;
    }

    public byte[] Array { get; }

    /// <summary>How many bytes of it are filled.</summary>
    public int End { get; set; }

    public bool IsSmall => Array.Length == SmallSize;

    public int Room => Array.Length - End;

    public Block? Following => (Block?)Next;

    /// <summary>Links a block behind this one, which takes no more bytes from then on.</summary>
    public void Append(Block next)
    {
        // A segment that is not the last of its sequence counts with its whole memory.
        if (End != Memory.Length)
        {
            Memory = Array.AsMemory(0, End);
        }

        next.RunningIndex = RunningIndex + End;
        Next = next;
    }

    /// <summary>Makes it as new, except for the bytes.</summary>
    public void Clear()
    {
        End = 0;
        RunningIndex = 0;
        Next = null;
        if (Memory.Length != Array.Length)
        {
            Memory = Array;
        }
    }
}
