using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace PluginServer.Networking;

/// <summary>What the kernel says of an end of a connection, as the framework's types.</summary>
internal static unsafe class SocketAddresses
{
    private const ushort Unix = 1;
    private const ushort Internet = 2;
    private const ushort Internet6 = 10;

    /// <summary>What the framework holds: a path of the kernel's may have one byte more, without a NUL at its end.</summary>
    private const int LongestPath = 107;

    /// <summary>Of struct sockaddr_in, sockaddr_in6 or sockaddr_un; see ip(7), ipv6(7), unix(7). Unknown for another family.</summary>
    public static ConnectionAddress Read(byte* address, int length)
    {
        var bytes = new ReadOnlySpan<byte>(address, length);
        return length < sizeof(ushort) ? new ConnectionAddress(null) : *(ushort*)address switch
        {
            Internet => Internet4(bytes.Slice(4, 4), BinaryPrimitives.ReadUInt16BigEndian(bytes[2..])),
            Internet6 => ReadInternet6(bytes),
            Unix => new ConnectionAddress(ReadUnix(bytes[2..])),
            _ => new ConnectionAddress(null),
        };
    }

    private static ConnectionAddress Internet4(ReadOnlySpan<byte> number, ushort port) => new(MemoryMarshal.Read<uint>(number), port);

    private static ConnectionAddress ReadInternet6(ReadOnlySpan<byte> bytes)
    {
        var port = BinaryPrimitives.ReadUInt16BigEndian(bytes[2..]);
        var number = bytes.Slice(8, 16);

        // An IPv4 client of a socket for both.
        ReadOnlySpan<byte> mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
        return number.StartsWith(mapped)
            ? Internet4(number[12..], port)
            : new ConnectionAddress(new IPEndPoint(new IPAddress(number, BitConverter.ToUInt32(bytes[24..])), port));
    }

    // A client rarely has a name; one of the abstract namespace begins with NUL. It chooses the name, and the kernel takes longer ones than the framework, and any bytes.
    private static UnixDomainSocketEndPoint? ReadUnix(ReadOnlySpan<byte> path)
    {
        var end = path.StartsWith((byte)0) ? -1 : path.IndexOf((byte)0);
        var name = System.Text.Encoding.UTF8.GetString(end < 0 ? path : path[..end]);
        return name.Length == 0 || System.Text.Encoding.UTF8.GetByteCount(name) > LongestPath ? null : new UnixDomainSocketEndPoint(name);
    }
}
