using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PluginServer.Networking;

/// <summary>A pinned array that is its own sequence segment, so that a read allocates nothing.</summary>
internal sealed class Block : ReadOnlySequenceSegment<byte>
{
    /// <summary>Twice the size of a common large message: one that fills a block exactly looks as if more were waiting.</summary>
    public const int Size = 32 * 1024;

    /// <summary>What is kept of a message that has begun, while its rest is waited for.</summary>
    public const int SmallSize = 512;

    /// <summary>Copies by the kernel into an address some bytes behind a multiple of it can take twenty times as long: rep movsb, on AMD's Zen 3 and 4.</summary>
    private const int Alignment = 64;

    public unsafe Block(int size)
    {
        // Nothing is received into a small one.
        if (size == SmallSize)
        {
            Bytes = GC.AllocateUninitializedArray<byte>(size);
        }
        else
        {
            var array = GC.AllocateUninitializedArray<byte>(size + Alignment, pinned: true);
            var address = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array));
            Bytes = array.AsMemory((int)(-address & (Alignment - 1)), size);
        }

        Memory = Bytes;
    }

    public Memory<byte> Bytes { get; }

    /// <summary>How many bytes of it are filled.</summary>
    public int End { get; set; }

    public bool IsSmall => Bytes.Length == SmallSize;

    public int Room => Bytes.Length - End;

    public Block? Following => (Block?)Next;

    /// <summary>Links a block behind this one, which takes no more bytes from then on.</summary>
    public void Append(Block next)
    {
        // A segment that is not the last of its sequence counts with its whole memory.
        if (End != Memory.Length)
        {
            Memory = Bytes[..End];
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
        if (Memory.Length != Bytes.Length)
        {
            Memory = Bytes;
        }
    }
}
