using System.Buffers;
using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Unicode;

namespace PluginServer.Networking;

/// <summary>A PROXY header of version 2: 16 fixed bytes, then as many as the last two of them say.</summary>
internal static class ProxyBlock
{
    public const int FixedBytes = 16;

    /// <summary>See <see cref="ProxyHeaderParser.MostBytes"/>.</summary>
    public const int MostFollowing = 4096;

    private const int VersionAndCommand = 12;
    private const int Family = 13;
    private const int Length = 14;
    private const int UnixPath = 108;
    private const byte Unspecified = 0x00;
    private const byte Tcp4 = 0x11;
    private const byte Tcp6 = 0x21;
    private const byte Unix = 0x31;

    public static ReadOnlySpan<byte> Signature => "\r\n\r\n\0\r\nQUIT\n"u8;

    /// <param name="received">Begins with the signature.</param>
    /// <param name="header">What it says, where it is complete.</param>
    /// <param name="length">Of the whole header, where it is complete.</param>
    /// <param name="reason">What is wrong, where it is broken; else empty.</param>
    public static ProxyVerdict Read(in ReadOnlySequence<byte> received, out ProxyHeader header, out int length, out string reason)
    {
        header = default;
        length = 0;
        reason = "";
        Span<byte> start = stackalloc byte[(int)Math.Min(received.Length, FixedBytes)];
        Copy(received, start);
        var fault = Fault(start);
        if (fault is null)
        {
            if (start.Length < FixedBytes || received.Length < FixedBytes + Following(start))
            {
                return ProxyVerdict.NeedsMore;
            }

            length = FixedBytes + Following(start);
            Span<byte> whole = stackalloc byte[length];
            Copy(received, whole);
            fault = Parse(whole, out header);
        }

        reason = fault is null ? "" : $"version 2: {fault}";
        return fault is null ? ProxyVerdict.Complete : ProxyVerdict.Broken;
    }

    /// <summary>What is wrong with the fixed bytes, as far as they are there.</summary>
    private static string? Fault(ReadOnlySpan<byte> start)
    {
        if (start.Length > VersionAndCommand && start[VersionAndCommand] is not (0x20 or 0x21))
        {
            return start[VersionAndCommand] >> 4 == 2
                ? $"the command {start[VersionAndCommand] & 0x0f} is neither 0 (LOCAL) nor 1 (PROXY)"
                : $"the signature is followed by 0x{start[VersionAndCommand]:x2}, which is of version {start[VersionAndCommand] >> 4}";
        }

        if (start.Length > Family && !IsLocal(start) && AddressBytes(start[Family]) is null)
        {
            return start[Family] is 0x12 or 0x22 or 0x32
                ? $"family and protocol 0x{start[Family]:x2} are datagrams, and here are streams only"
                : $"family and protocol 0x{start[Family]:x2} are none of 0x00 (UNSPEC), 0x11 (TCP4), 0x21 (TCP6) and 0x31 (UNIX)";
        }

        if (start.Length < FixedBytes)
        {
            return null;
        }

        if (Following(start) > MostFollowing)
        {
            return $"{Following(start)} bytes are to follow, and at most {MostFollowing} are read";
        }

        return !IsLocal(start) && AddressBytes(start[Family]) is { } needed && Following(start) < needed
            ? $"{Following(start)} bytes are to follow, and the addresses of family and protocol 0x{start[Family]:x2} take {needed}"
            : null;
    }

    private static bool IsLocal(ReadOnlySpan<byte> header) => (header[VersionAndCommand] & 0x0f) == 0;

    private static int Following(ReadOnlySpan<byte> header) => BinaryPrimitives.ReadUInt16BigEndian(header[Length..]);

    /// <summary>How many bytes the addresses take; null is a family or a protocol that is not served.</summary>
    private static int? AddressBytes(byte family) => family switch
    {
        Unspecified => 0,
        Tcp4 => 2 * (4 + sizeof(ushort)),
        Tcp6 => 2 * (16 + sizeof(ushort)),
        Unix => 2 * UnixPath,
        _ => null,
    };

    private static string? Parse(Span<byte> whole, out ProxyHeader header)
    {
        // Of a local command everything is to be ignored. Where nobody says how long the addresses are, nobody knows where they end.
        header = default;
        if (IsLocal(whole) || AddressBytes(whole[Family]) is not ({ } length and > 0))
        {
            header = new ProxyHeader(IsLocal(whole) ? ProxyCommand.Local : ProxyCommand.Proxy);
            return null;
        }

        if (ProxyExtensions.Fault(whole, FixedBytes + length) is { } fault)
        {
            return fault;
        }

        var addresses = whole.Slice(FixedBytes, length);
        if (whole[Family] == Unix)
        {
            return ParsePaths(addresses, out header);
        }

        var ports = addresses[^(2 * sizeof(ushort))..];
        var size = (length - ports.Length) / 2;
        header = ProxyHeader.Tcp(
            whole[Family] == Tcp4 ? ProxyFamily.Tcp4 : ProxyFamily.Tcp6,
            new IPEndPoint(new IPAddress(addresses[..size]), BinaryPrimitives.ReadUInt16BigEndian(ports)),
            new IPEndPoint(new IPAddress(addresses.Slice(size, size)), BinaryPrimitives.ReadUInt16BigEndian(ports[sizeof(ushort)..])));
        return null;
    }

    private static string? ParsePaths(ReadOnlySpan<byte> paths, out ProxyHeader header)
    {
        header = default;
        if (ReadPath("source", paths[..UnixPath], out var source) is { } fault)
        {
            return fault;
        }

        if (ReadPath("destination", paths[UnixPath..], out var destination) is { } other)
        {
            return other;
        }

        header = new ProxyHeader(ProxyCommand.Proxy, ProxyFamily.Unix, source, destination);
        return null;
    }

    /// <summary>It ends before the first NUL. A name of the abstract namespace begins with one; NULs at its end are taken for filling.</summary>
    private static string? ReadPath(string which, ReadOnlySpan<byte> filled, out EndPoint? end)
    {
        end = null;
        var length = filled.IndexOf((byte)0);
        var path = length == 0 ? filled.TrimEnd((byte)0) : length < 0 ? filled : filled[..length];
        if (path.IsEmpty)
        {
            return null;
        }

        if (!Utf8.IsValid(path))
        {
            return $"the {which} path {ProxyQuote.Of(path)} is not UTF-8";
        }

        try
        {
            end = new UnixDomainSocketEndPoint(Encoding.UTF8.GetString(path));
            return null;
        }
        catch (ArgumentException)
        {
            return $"the {which} path {ProxyQuote.Of(path)} has {path.Length} bytes, more than a path may have here";
        }
    }

    // By hand, because a sequence's own copying looks at the piece after the last that it takes from.
    private static void Copy(in ReadOnlySequence<byte> received, Span<byte> target)
    {
        foreach (var segment in received)
        {
            var part = segment.Span[..Math.Min(segment.Length, target.Length)];
            part.CopyTo(target);
            target = target[part.Length..];
            if (target.IsEmpty)
            {
                return;
            }
        }
    }
}
