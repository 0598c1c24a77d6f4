using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;

namespace PluginServer.Plugins;

/// <summary>Whether the runtime of this process loads an image into a context that can be unloaded; its rules, known before it is asked.</summary>
internal static class ImageArchitecture
{
    // "RTR" and a zero: code compiled ahead of time lies beside the IL.
    private const uint ReadyToRun = 0x00525452;
    private const int FlagsOffset = 8;
    private const uint PlatformNeutralSource = 1;

    // What that compiler mixes into the machine to say for which system its code is: Windows, Linux, Apple, FreeBSD.
    private static readonly ushort[] Systems = [0, 0x7B79, 0x4644, 0xADC4];

    /// <summary>What is wrong with it and how to build it instead, or null where nothing is.</summary>
    public static string? Problem(PEReader image)
    {
        var flags = image.PEHeaders.CorHeader!.Flags;
        if (ReadyToRunFlags(image) is { } precompiled)
        {
            // Where the IL alone runs anywhere, the code beside it is used or ignored, whatever machine it is for.
            return (precompiled & PlatformNeutralSource) != 0 ? null : Foreign(image.PEHeaders.CoffHeader.Machine, Systems);
        }

        if (!flags.HasFlag(CorFlags.ILOnly))
        {
            return "mixes native code with IL, and so cannot be unloaded: build it as IL only";
        }

        // A 32-bit image that merely prefers 32 bits says that it requires them as well.
        return image.PEHeaders.CoffHeader.Machine == Machine.I386 && (!flags.HasFlag(CorFlags.Requires32Bit) || flags.HasFlag(CorFlags.Prefers32Bit))
            ? null
            : Foreign(image.PEHeaders.CoffHeader.Machine, [0]);
    }

    private static string? Foreign(Machine machine, ushort[] systems)
    {
        var here = RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => Machine.Amd64,
            Architecture.Arm64 => Machine.Arm64,
            _ => Machine.Unknown,
        };
        return systems.Any(system => ((ushort)machine ^ system) == (ushort)here)
            ? null
            : $"was built for {machine}, and this host runs on {RuntimeInformation.ProcessArchitecture}: build it for AnyCPU";
    }

    private static uint? ReadyToRunFlags(PEReader image)
    {
        var directory = image.PEHeaders.CorHeader!.ManagedNativeHeaderDirectory;
        if (directory.Size == 0)
        {
            return null;
        }

        var header = image.GetSectionData(directory.RelativeVirtualAddress).GetReader();
        if (header.Length < FlagsOffset + sizeof(uint) || header.ReadUInt32() != ReadyToRun)
        {
            return null;
        }

        header.Offset = FlagsOffset;
        return header.ReadUInt32();
    }
}
