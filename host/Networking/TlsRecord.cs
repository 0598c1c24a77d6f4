using System.Buffers;

namespace PluginServer.Networking;

/// <summary>The frame of what TLS sends (RFC 8446, 5.1): type, version, length, and as many bytes.</summary>
internal static class TlsRecord
{
    /// <summary>So many bytes can be in one before they are encrypted.</summary>
    public const int Largest = 16 * 1024;
    private const int HeaderLength = 5;

    /// <summary>RFC 5246, 6.2.3: what a cipher may add. TLS 1.3 adds less.</summary>
    private const int LargestBody = Largest + 2048;
    private const byte ChangeCipherSpec = 20, ApplicationData = 23;

    /// <summary>SSL 3.0 and every TLS.</summary>
    private const byte MajorVersion = 3;

    /// <summary>Whether there is a whole one at the front, and how long it is.</summary>
    /// <exception cref="InvalidDataException">It is none: as soon as that can be seen.</exception>
    public static bool TryMeasure(in ReadOnlySequence<byte> bytes, out int length)
    {
        Span<byte> header = stackalloc byte[HeaderLength];
        var front = bytes.FirstSpan;
        if (front.Length >= HeaderLength)
        {
            front[..HeaderLength].CopyTo(header);
        }
        else
        {
            var start = bytes.Slice(0, Math.Min(bytes.Length, HeaderLength));
            header = header[..(int)start.Length];
            start.CopyTo(header);
        }

        var body = header.Length < HeaderLength ? 0 : (header[3] << 8) | header[4];
        if (header is [< ChangeCipherSpec or > ApplicationData, ..] or [_, not MajorVersion, ..] || body > LargestBody)
        {
            throw new InvalidDataException($"what the peer sent is no TLS record, but begins with {Convert.ToHexString(header)}");
        }

        length = HeaderLength + body;
        return header.Length == HeaderLength && bytes.Length >= length;
    }

    /// <summary>No less than what is in a record of this length; 1 at least.</summary>
    public static int RoomFor(int length) => Math.Clamp(length - HeaderLength, 1, Largest);
}
