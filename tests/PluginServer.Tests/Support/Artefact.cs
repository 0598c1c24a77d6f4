using System.Buffers.Binary;
using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;

namespace PluginServer.Tests.Support;

/// <summary>Makes a DLL say that it is for another machine: the two places where compilers write that down.</summary>
internal static class Artefact
{
    /// <summary>A machine that this process is not for.</summary>
    public static Machine OtherMachine => RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? Machine.Amd64 : Machine.Arm64;

    public static void SetMachine(string path, Machine machine) => SetMachine(path, (ushort)machine);

    public static void SetMachine(string path, ushort machine)
    {
        var bytes = File.ReadAllBytes(path);
        using var image = new PEReader([.. bytes]);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(image.PEHeaders.CoffHeaderStartOffset), machine);
        File.WriteAllBytes(path, bytes);
    }

    public static void SetFlags(string path, CorFlags flags)
    {
        // ECMA-335, II.25.3.3: size, runtime version and metadata directory come before the flags.
        const int offset = 16;
        var bytes = File.ReadAllBytes(path);
        using var image = new PEReader([.. bytes]);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(image.PEHeaders.CorHeaderStartOffset + offset), (uint)flags);
        File.WriteAllBytes(path, bytes);
    }
}
