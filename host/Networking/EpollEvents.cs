using System.Runtime.InteropServices;

namespace PluginServer.Networking;

/// <summary>An array of struct epoll_event, as the kernel lays it out: a 32-bit mask, then 64 bits of the caller's.</summary>
/// <remarks>linux/eventpoll.h, and sys/epoll.h of glibc and musl alike: packed on x86 and x64 (12 bytes), naturally aligned elsewhere (16 bytes).</remarks>
internal sealed unsafe class EpollEvents
{
    /// <summary>Enough room for one on any machine.</summary>
    public const int LargestEntry = 16;

    private readonly byte* _entries;

    // Never freed: the thread that waits in the kernel may be the last one to touch it. One per loop.
    public EpollEvents(int count)
    {
        _entries = (byte*)NativeMemory.AllocZeroed((nuint)count, (nuint)Size);
    }

    /// <summary>Of one entry on this machine.</summary>
    public static int Size => SizeOn(RuntimeInformation.ProcessArchitecture);

    private static bool IsPacked { get; } = SizeOn(RuntimeInformation.ProcessArchitecture) == 12;

    public static int SizeOn(Architecture machine) => machine is Architecture.X64 or Architecture.X86 ? 12 : 16;

    public static void Write(byte* entry, uint events, ulong data)
    {
        *(uint*)entry = events;
        *(ulong*)(entry + (IsPacked ? 4 : 8)) = data;
    }

    /// <summary>Where an entry begins; the array goes on from there.</summary>
    public byte* At(int index) => _entries + (index * (IsPacked ? 12 : 16));

    public (uint Events, ulong Data) Read(int index)
    {
        var entry = At(index);
        return (*(uint*)entry, *(ulong*)(entry + (IsPacked ? 4 : 8)));
    }
}
