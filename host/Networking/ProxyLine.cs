using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace PluginServer.Networking;

/// <summary>A PROXY header of version 1: a line of text.</summary>
internal static class ProxyLine
{
    /// <summary>With the end of line; the specification's own worst case.</summary>
    public const int MostBytes = 107;

    /// <summary>PROXY, the protocol, two addresses and two ports.</summary>
    private const int Parts = 6;
    private const int LongestInternet4 = 15;
    private static readonly SearchValues<char> OfAddresses = SearchValues.Create("0123456789abcdefABCDEF:.");

    public static ReadOnlySpan<byte> Signature => "PROXY"u8;

    /// <param name="received">Begins with the signature.</param>
    /// <param name="header">What it says, where it is complete.</param>
    /// <param name="length">Of the whole header, where it is complete.</param>
    /// <param name="reason">What is wrong, where it is broken; else empty.</param>
    public static ProxyVerdict Read(in ReadOnlySequence<byte> received, out ProxyHeader header, out int length, out string reason)
    {
        header = default;
        length = 0;
        reason = "";
        Span<byte> line = stackalloc byte[MostBytes];
        foreach (var segment in received)
        {
            foreach (var value in segment.Span)
            {
                line[length++] = value;
                var isWhole = line[..length].EndsWith("\r\n"u8);
                var fault = isWhole ? Parse(line[..(length - 2)], out header) : Fault(line[..length]);
                if (fault is not null)
                {
                    reason = $"version 1: {fault}";
                    return ProxyVerdict.Broken;
                }

                if (isWhole)
                {
                    return ProxyVerdict.Complete;
                }
            }
        }

        return ProxyVerdict.NeedsMore;
    }

    /// <summary>What is wrong with a line that is not whole yet, as its last byte shows.</summary>
    private static string? Fault(ReadOnlySpan<byte> line)
    {
        if (line.Length == Signature.Length + 1 && line[^1] != ' ')
        {
            return $"PROXY is followed by {ProxyQuote.Of(line[^1..])}, not by a space";
        }

        // What follows UNKNOWN is to be ignored whatever it is.
        if (line is [.., (byte)'\n'] or [.., (byte)'\r', _] && !line.StartsWith("PROXY UNKNOWN "u8))
        {
            return $"{ProxyQuote.Of(line)} has one of carriage return and line feed without the other";
        }

        return line.Length == MostBytes ? $"{ProxyQuote.Of(line)} has {MostBytes} bytes and no carriage return and line feed at their end" : null;
    }

    private static string? Parse(ReadOnlySpan<byte> bytes, out ProxyHeader header)
    {
        header = default;
        Span<char> text = stackalloc char[bytes.Length];
        Encoding.Latin1.GetChars(bytes, text);
        ReadOnlySpan<char> line = text;
        Span<Range> parts = stackalloc Range[Parts + 1];
        var count = line.Split(parts, ' ');
        var protocol = line[parts[1]];
        if (protocol is "UNKNOWN")
        {
            header = new ProxyHeader(ProxyCommand.Proxy);
            return null;
        }

        if (protocol is not ("TCP4" or "TCP6"))
        {
            return $"the protocol {ProxyQuote.Of(protocol)} is none of TCP4, TCP6 and UNKNOWN";
        }

        if (count != Parts)
        {
            return $"{ProxyQuote.Of(line)} is not {protocol}, two addresses and two ports, with one space before each";
        }

        var family = protocol is "TCP4" ? ProxyFamily.Tcp4 : ProxyFamily.Tcp6;
        if (ReadAddress(line[parts[2]], family) is not { } source)
        {
            return $"the source {ProxyQuote.Of(line[parts[2]])} is not an {NameOf(family)}";
        }

        if (ReadAddress(line[parts[3]], family) is not { } destination)
        {
            return $"the destination {ProxyQuote.Of(line[parts[3]])} is not an {NameOf(family)}";
        }

        if (ReadPort(line[parts[4]]) is not { } sourcePort)
        {
            return $"the source port {ProxyQuote.Of(line[parts[4]])} is not a number from 0 to 65535 without leading zeros";
        }

        if (ReadPort(line[parts[5]]) is not { } destinationPort)
        {
            return $"the destination port {ProxyQuote.Of(line[parts[5]])} is not a number from 0 to 65535 without leading zeros";
        }

        header = ProxyHeader.Tcp(family, new IPEndPoint(source, sourcePort), new IPEndPoint(destination, destinationPort));
        return null;
    }

    private static string NameOf(ProxyFamily family) => family == ProxyFamily.Tcp4 ? "IPv4 address of four decimal numbers" : "IPv6 address";

    /// <summary>An address as the specification writes it; the framework understands many more texts.</summary>
    private static IPAddress? ReadAddress(ReadOnlySpan<char> text, ProxyFamily family)
    {
        // No brackets, ports, prefixes and zones; for hexadecimal and octal numbers see below.
        if (text.ContainsAnyExcept(OfAddresses) || !IPAddress.TryParse(text, out var address))
        {
            return null;
        }

        if (family == ProxyFamily.Tcp6)
        {
            return address.AddressFamily == AddressFamily.InterNetworkV6 ? address : null;
        }

        // IPv4 has one form only.
        Span<char> canonical = stackalloc char[LongestInternet4];
        return address.AddressFamily == AddressFamily.InterNetwork && address.TryFormat(canonical, out var length) && text.SequenceEqual(canonical[..length]) ? address : null;
    }

    // Digits only: the framework takes NULs after them for nothing.
    private static ushort? ReadPort(ReadOnlySpan<char> text) =>
        (text is ['0'] or [not '0', ..]) && !text.ContainsAnyExceptInRange('0', '9') && ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            ? port
            : null;
}
