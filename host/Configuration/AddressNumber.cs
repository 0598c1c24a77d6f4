using System.Buffers.Binary;
using System.Net;

namespace PluginServer.Configuration;

/// <summary>An IP address as a number: an IPv4 one in the form that IPv6 has for it (RFC 4291, 2.5.5.2), so that the two spellings of one client are one.</summary>
internal static class AddressNumber
{
    /// <summary>How many bits an IPv4 address has before its own.</summary>
    public const int Internet4Prefix = 96;

    private static readonly UInt128 Mapped = new UInt128(0, 0xffff) << 32;

    public static UInt128 Of(uint internet4) => Mapped | internet4;

    public static UInt128 Of(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var length);
        return length == sizeof(uint) ? Of(BinaryPrimitives.ReadUInt32BigEndian(bytes)) : BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    public static bool IsInternet4(UInt128 number) => number >> 32 == 0xffff;
}
