using System.Buffers;
using System.Buffers.Binary;

namespace PluginServer.Networking;

/// <summary>The first message of a TLS client, as far as the choice of its options needs it.</summary>
/// <remarks>SslStream tells the name that a client asks for; of its versions only the old fields, in which every client claims TLS 1.2.</remarks>
internal static class ClientHello
{
    private const int RecordHeader = 5;
    private const byte Handshake = 22;
    private const byte Hello = 1;
    private const int SupportedVersions = 43;
    private const int Tls13 = 0x0304;

    // RFC 8446, 4.1.2: the types and lengths before it, then version and random.
    private const int BeforeSession = 4 + 2 + 32;

    /// <summary>Whether the client knows TLS 1.3; null where more bytes are needed to tell. What is no such message, or is one in pieces, does not.</summary>
    /// <param name="received">From the first byte of the connection on; looked at only.</param>
    public static bool? KnowsTls13(in ReadOnlySequence<byte> received)
    {
        Span<byte> header = stackalloc byte[RecordHeader];
        var known = received.Slice(0, Math.Min(RecordHeader, received.Length));
        known.CopyTo(header);
        if (known.Length > 0 && header[0] != Handshake)
        {
            return false;
        }

        var length = RecordHeader + BinaryPrimitives.ReadUInt16BigEndian(header[3..]);
        if (known.Length < RecordHeader || received.Length < length)
        {
            return null;
        }

        var record = received.Slice(RecordHeader, length - RecordHeader);
        return KnowsTls13(record.IsSingleSegment ? record.FirstSpan : record.ToArray());
    }

    private static bool KnowsTls13(ReadOnlySpan<byte> rest)
    {
        // Session, cipher suites and compression come first, each after its length.
        if (rest.IsEmpty || rest[0] != Hello || !Skip(ref rest, BeforeSession) || !Take(ref rest, 1, out _) || !Take(ref rest, 2, out _) || !Take(ref rest, 1, out _) || !Take(ref rest, 2, out var extensions))
        {
            return false;
        }

        while (extensions.Length >= 2)
        {
            var type = BinaryPrimitives.ReadUInt16BigEndian(extensions);
            extensions = extensions[2..];
            if (!Take(ref extensions, 2, out var extension))
            {
                return false;
            }

            if (type == SupportedVersions && Take(ref extension, 1, out var versions))
            {
                return Has(versions, Tls13);
            }
        }

        return false;
    }

    private static bool Has(ReadOnlySpan<byte> versions, int version)
    {
        for (; versions.Length >= 2; versions = versions[2..])
        {
            if (BinaryPrimitives.ReadUInt16BigEndian(versions) == version)
            {
                return true;
            }
        }

        return false;
    }

    private static bool Skip(ref ReadOnlySpan<byte> from, int count)
    {
        if (from.Length < count)
        {
            return false;
        }

        from = from[count..];
        return true;
    }

    /// <summary>What stands after its own length of one or two bytes.</summary>
    private static bool Take(ref ReadOnlySpan<byte> from, int lengthBytes, out ReadOnlySpan<byte> taken)
    {
        taken = default;
        if (from.Length < lengthBytes)
        {
            return false;
        }

        var length = lengthBytes == 1 ? from[0] : BinaryPrimitives.ReadUInt16BigEndian(from);
        from = from[lengthBytes..];
        if (from.Length < length)
        {
            return false;
        }

        taken = from[..length];
        from = from[length..];
        return true;
    }
}
