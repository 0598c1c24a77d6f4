using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace PluginServer.Tests.Support;

/// <summary>PROXY headers as a proxy writes them: from the specification, with nothing of the host's code.</summary>
internal static class ProxyHeaders
{
    public const byte Checksum = 0x03;
    public const byte Noop = 0x04;

    private const byte LocalCommand = 0x20;
    private const byte ProxyCommand = 0x21;

    /// <summary>Both ends of one family, as the text says it.</summary>
    public static byte[] V1(IPEndPoint source, IPEndPoint destination) => Encoding.ASCII.GetBytes(
        $"PROXY {(source.AddressFamily == AddressFamily.InterNetwork ? "TCP4" : "TCP6")} {source.Address} {destination.Address} {source.Port} {destination.Port}\r\n");

    /// <param name="rest">What is to be ignored, with the space before it.</param>
    public static byte[] V1Unknown(string rest = "") => Encoding.Latin1.GetBytes($"PROXY UNKNOWN{rest}\r\n");

    /// <summary>For a client over TCP.</summary>
    public static byte[] V2(IPEndPoint source, IPEndPoint destination, params byte[][] extensions)
    {
        byte[] ports = [(byte)(source.Port >> 8), (byte)source.Port, (byte)(destination.Port >> 8), (byte)destination.Port];
        var family = source.AddressFamily == AddressFamily.InterNetwork ? 0x11 : 0x21;
        return V2(ProxyCommand, (byte)family, [source.Address.GetAddressBytes(), destination.Address.GetAddressBytes(), ports, .. extensions]);
    }

    /// <summary>For a client of a Unix socket; an empty path is none, and one with a NUL at its begin an abstract name.</summary>
    public static byte[] V2Unix(string source, string destination, params byte[][] extensions)
    {
        var paths = new byte[2 * 108];
        Encoding.UTF8.GetBytes(source, paths);
        Encoding.UTF8.GetBytes(destination, paths.AsSpan(108));
        return V2(ProxyCommand, 0x31, [paths, .. extensions]);
    }

    /// <summary>For a client that the proxy does not want to name.</summary>
    public static byte[] V2Unspecified(params byte[][] following) => V2(ProxyCommand, 0x00, following);

    /// <summary>For the proxy itself.</summary>
    public static byte[] V2Local(params byte[][] following) => V2(LocalCommand, 0x00, following);

    /// <summary>Any, valid or not.</summary>
    public static byte[] V2(byte versionAndCommand, byte family, params byte[][] following)
    {
        var length = following.Sum(part => part.Length);
        return [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, versionAndCommand, family, (byte)(length >> 8), (byte)length, .. following.SelectMany(part => part)];
    }

    public static byte[] Extension(byte type, params byte[] value) => [type, (byte)(value.Length >> 8), (byte)value.Length, .. value];

    /// <summary>The place of a checksum, for <see cref="Seal"/> to fill.</summary>
    public static byte[] NoChecksum() => Extension(Checksum, 0, 0, 0, 0);

    /// <summary>Puts the sum of the whole header into it.</summary>
    /// <param name="header">With four zeros there.</param>
    /// <param name="at">Where those lie.</param>
    public static byte[] Seal(byte[] header, int at)
    {
        BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(at), Crc32C(header));
        return header;
    }

    /// <summary>By the polynomial, bit for bit: RFC 3720, 12.1, with the least significant bit first.</summary>
    public static uint Crc32C(ReadOnlySpan<byte> bytes)
    {
        var sum = uint.MaxValue;
        foreach (var value in bytes)
        {
            sum ^= value;
            for (var bit = 0; bit < 8; bit++)
            {
                sum = (sum >> 1) ^ ((sum & 1) == 0 ? 0 : 0x82f63b78);
            }
        }

        return ~sum;
    }
}
