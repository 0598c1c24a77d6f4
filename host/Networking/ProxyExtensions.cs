using System.Buffers.Binary;
using System.Numerics;

namespace PluginServer.Networking;

/// <summary>What may follow the addresses of a PROXY header of version 2: type, length and value, again and again. Only the checksum among
/// them is of interest, and whether they are whole.</summary>
internal static class ProxyExtensions
{
    private const byte Checksum = 0x03;
    private const int ChecksumBytes = 4;
    private const int TypeAndLength = 3;

    /// <param name="header">The whole of it; a checksum in it is overwritten.</param>
    /// <param name="from">Where the addresses end.</param>
    /// <returns>What is wrong, or null.</returns>
    public static string? Fault(Span<byte> header, int from)
    {
        var checksum = 0;
        for (var at = from; at < header.Length;)
        {
            var left = header.Length - at - TypeAndLength;
            if (left < 0)
            {
                return $"the extension at offset {at} is cut short: {header.Length - at} of the 3 bytes of its type and length are there";
            }

            var length = BinaryPrimitives.ReadUInt16BigEndian(header[(at + 1)..]);
            if (length > left)
            {
                return $"the extension of type 0x{header[at]:x2} at offset {at} is to have {length} bytes, and {left} are left";
            }

            if (header[at] == Checksum)
            {
                if (length != ChecksumBytes)
                {
                    return $"the checksum at offset {at} has {length} bytes, not {ChecksumBytes}";
                }

                if (checksum > 0)
                {
                    return $"there is a second checksum, at offset {at}";
                }

                checksum = at + TypeAndLength;
            }

            at += TypeAndLength + length;
        }

        return checksum > 0 ? Fault(header, header.Slice(checksum, ChecksumBytes)) : null;
    }

    /// <summary>The sum is that of the header with zeros in its place.</summary>
    private static string? Fault(ReadOnlySpan<byte> header, Span<byte> checksum)
    {
        var said = BinaryPrimitives.ReadUInt32BigEndian(checksum);
        checksum.Clear();
        var sum = uint.MaxValue;
        foreach (var value in header)
        {
            sum = BitOperations.Crc32C(sum, value);
        }

        return said == ~sum ? null : $"its checksum is 0x{said:x8}, and its bytes have 0x{~sum:x8}";
    }
}
