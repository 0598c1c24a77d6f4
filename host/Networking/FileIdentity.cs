using System.Runtime.InteropServices;

namespace PluginServer.Networking;

/// <summary>What tells a file or folder from another one put in its place: the kernel's number for it, and when it was made, as numbers are used again.</summary>
/// <remarks>Archives made to be reproducible give every file one time, and a DLL's length is a multiple of 512: a new build often looks like the old one in both.</remarks>
internal static class FileIdentity
{
    // statx(2): its record is laid out alike on every processor, that of stat(2) is not.
    private const int CurrentDirectory = -100;
    private const uint InodeAndBirth = 0x900;
    private const uint Type = 1;
    private const int RecordLength = 256;
    private const int ModeOffset = 28;
    private const int TypeMask = 0xf000;
    private const int SocketType = 0xc000;
    private const int InodeOffset = 32;
    private const int BirthSecondsOffset = 80;
    private const int BirthNanosecondsOffset = 88;

    /// <summary>Links are followed. Empty where there is none to be had; never throws.</summary>
    public static string Of(string path) => Record(path, InodeAndBirth) is { } record
        ? $"{BitConverter.ToUInt64(record, InodeOffset)} {BitConverter.ToInt64(record, BirthSecondsOffset)}.{BitConverter.ToUInt32(record, BirthNanosecondsOffset)}"
        : "";

    /// <summary>Links are followed. Where the system does not tell, what is neither a folder nor has a length passes for one; never throws.</summary>
    public static bool IsSocket(string path) => Record(path, Type) is { } record
        ? (BitConverter.ToUInt16(record, ModeOffset) & TypeMask) == SocketType
        : !Directory.Exists(path) && new FileInfo(path) is { Exists: true, Length: 0 };

    private static byte[]? Record(string path, uint mask)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        try
        {
            var record = new byte[RecordLength];
            return StatX(CurrentDirectory, path, 0, mask, record) == 0 ? record : null;
        }
        catch (Exception error) when (error is EntryPointNotFoundException or DllNotFoundException)
        {
            // A C library without statx: length and time must do.
            return null;
        }
    }

    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    [DllImport("libc", EntryPoint = "statx")]
    private static extern int StatX(int directory, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags, uint mask, [Out] byte[] record);
}
