using System.Text;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>What begins like a PROXY header and is none: each with the reason that the log has, by the first byte that shows it.</summary>
internal sealed class ProxyHeaderFaultTests
{
    private const string Four = "is not an IPv4 address of four decimal numbers";
    private const string Six = "is not an IPv6 address";
    private const string Port = "is not a number from 0 to 65535 without leading zeros";
    private static readonly byte[] Tcp4 = [192, 168, 0, 1, 192, 168, 0, 11, 0xdc, 0x04, 0x01, 0xbb];

    private static IEnumerable<TestCaseData> Lines =>
    [
        Line("PROXYX", "PROXY is followed by \"X\", not by a space"),
        Line("PROXY\r", @"PROXY is followed by ""\x0d"", not by a space"),
        Line("PROXY\0", @"PROXY is followed by ""\x00"", not by a space"),
        Line("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", @"""PROXY TCP4 1.2.3.4 5.6.7.8 1 2\x0a"" has one of carriage return and line feed without the other"),
        Line("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\r", @"""PROXY TCP4 1.2.3.4 5.6.7.8 1 2\x0d\x0d"" has one of carriage return and line feed without the other"),
        Line("PROXY UNKNOWN\n", @"""PROXY UNKNOWN\x0a"" has one of carriage return and line feed without the other"),
        Line("PROXY UNKNOWN\rG", @"""PROXY UNKNOWN\x0dG"" has one of carriage return and line feed without the other"),
        Line("PROXY \r\n", "the protocol \"\" is none of TCP4, TCP6 and UNKNOWN"),
        Line("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n", "the protocol \"TCP5\" is none of TCP4, TCP6 and UNKNOWN"),
        Line("PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n", "the protocol \"tcp4\" is none of TCP4, TCP6 and UNKNOWN"),
        Line("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n", "the protocol \"UDP4\" is none of TCP4, TCP6 and UNKNOWN"),
        Line("PROXY UNKNOWN4 x\r\n", "the protocol \"UNKNOWN4\" is none of TCP4, TCP6 and UNKNOWN"),
        Line("PROXY unknown\r\n", "the protocol \"unknown\" is none of TCP4, TCP6 and UNKNOWN"),
        Line("PROXY  TCP4 1.2.3.4 5.6.7.8 1 2\r\n", "the protocol \"\" is none of TCP4, TCP6 and UNKNOWN"),
        Line("PROXY T\u001b[31m\\\"\u00fc\r\n", @"the protocol ""T\x1b[31m\x5c\x22\xfc"" is none of TCP4, TCP6 and UNKNOWN"),
        Shape("PROXY TCP4", "TCP4"), Shape("PROXY TCP6 ", "TCP6"), Shape("PROXY TCP4 1.2.3.4 5.6.7.8 1", "TCP4"), Shape("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 ", "TCP4"),
        Shape("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3", "TCP4"), Shape("PROXY TCP4  1.2.3.4 5.6.7.8 1 2", "TCP4"), Shape("PROXY TCP6 ::1 ::2 1  2", "TCP6"), Shape("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3 4 5 6 7 8 9", "TCP4"),
        Line("PROXY TCP4\t1.2.3.4 5.6.7.8 1 2\r\n", @"the protocol ""TCP4\x091.2.3.4"" is none of TCP4, TCP6 and UNKNOWN"),
        Line("PROXY TCP4  5.6.7.8 1 2\r\n", $"the source \"\" {Four}"),
        Line("PROXY TCP4 1.2.3.4 5.6.7.8 1 \r\n", $"the destination port \"\" {Port}"),
        .. Addresses("TCP4", Four, "1", "127.1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "01.2.3.4", "1.2.3.04", "1.2.3.00", "0x7f.0.0.1", "0177.0.0.1", "1.2.3.256", "1.2.3.4096", "4294967295", "1.2.3.-4", "+1.2.3.4", "1.2.3.4%1", "1.2.3.4/8", "1.2.3.4:80", "[1.2.3.4]", "::1", "::ffff:1.2.3.4", "localhost", "a.b.c.d", "1.2.3.4\0", "1.2.3.4\t", "\u0661.2.3.4"),
        .. Addresses("TCP6", Six, "1.2.3.4", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "1::2::3", ":::", ":1", "1:", ":", "12345::", "00001::", "g::", "::1%1", "fe80::1%eth0", "[::1]", "[::1]:80", "::1/64", "::1.2.3", "::1.2.3.256", "::1.2.3.4.5", "::ffff:01.2.3.4", "::ffff:0x1.2.3.4", "::1.2.3.a", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3.4:5", "0x1::", "::1\0", "::-1", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555"),
        .. Ports("", "65536", "99999", "100000", "00", "01", "0443", "-1", "+1", "1.0", "0x1", "1e1", "1,0", "a", "1\t", "1\0", "18446744073709551617", "\u00b2"),
    ];

    private static IEnumerable<TestCaseData> Blocks =>
    [
        Block("the signature is followed by 0x11, which is of version 1", Short(0x11)),
        Block("the signature is followed by 0x31, which is of version 3", Short(0x31)),
        Block("the signature is followed by 0x01, which is of version 0", Short(0x01)),
        Block("the signature is followed by 0x0d, which is of version 0", Short(0x0d)),
        Block("the command 2 is neither 0 (LOCAL) nor 1 (PROXY)", Short(0x22)),
        Block("the command 15 is neither 0 (LOCAL) nor 1 (PROXY)", Short(0x2f)),
        .. new byte[] { 0x12, 0x22, 0x32 }.Select(family => Block($"family and protocol 0x{family:x2} are datagrams, and here are streams only", Short(0x21, family))),
        .. new byte[] { 0x01, 0x02, 0x10, 0x13, 0x20, 0x30, 0x41, 0xff }.Select(family => Block($"family and protocol 0x{family:x2} are none of 0x00 (UNSPEC), 0x11 (TCP4), 0x21 (TCP6) and 0x31 (UNIX)", Short(0x21, family))),
        .. new byte[] { 0x00, 0x11, 0x21, 0x31 }.Select(family => Block("4097 bytes are to follow, and at most 4096 are read", Short(0x21, family, 0x10, 0x01))),
        Block("65535 bytes are to follow, and at most 4096 are read", Short(0x20, 0xff, 0xff, 0xff)),
        Block("0 bytes are to follow, and the addresses of family and protocol 0x11 take 12", Short(0x21, 0x11, 0, 0)),
        Block("11 bytes are to follow, and the addresses of family and protocol 0x11 take 12", Short(0x21, 0x11, 0, 11)),
        Block("35 bytes are to follow, and the addresses of family and protocol 0x21 take 36", Short(0x21, 0x21, 0, 35)),
        Block("215 bytes are to follow, and the addresses of family and protocol 0x31 take 216", Short(0x21, 0x31, 0, 215)),
        Block(@"the source path ""/\xff"" is not UTF-8", ProxyHeaders.V2(0x21, 0x31, Path(0x2f, 0xff), Path())),
        Block(@"the destination path ""\x00\xc3"" is not UTF-8", ProxyHeaders.V2(0x21, 0x31, Path(0x2f), Path(0x00, 0xc3))),
        Block($"the source path \"{new string('a', 108)}\" has 108 bytes, more than a path may have here", ProxyHeaders.V2(0x21, 0x31, Full((byte)'a'), Path())),
        Block($"the destination path \"{new string('b', 108)}\" has 108 bytes, more than a path may have here", ProxyHeaders.V2(0x21, 0x31, Path(), Full((byte)'b'))),
    ];

    private static IEnumerable<TestCaseData> Extensions =>
    [
        Block("the extension at offset 28 is cut short: 1 of the 3 bytes of its type and length are there", With([0x04])),
        Block("the extension at offset 28 is cut short: 2 of the 3 bytes of its type and length are there", With([0x04, 0x00])),
        Block("the extension of type 0x04 at offset 28 is to have 1 bytes, and 0 are left", With([0x04, 0x00, 0x01])),
        Block("the extension of type 0xea at offset 35 is to have 65535 bytes, and 2 are left", With(ProxyHeaders.Extension(0x05, 1, 2, 3, 4), [0xea, 0xff, 0xff, 0, 0])),
        Block("the extension at offset 31 is cut short: 2 of the 3 bytes of its type and length are there", With(ProxyHeaders.Extension(0x01), [0x02, 0x00])),
        Block("the checksum at offset 28 has 0 bytes, not 4", With(ProxyHeaders.Extension(0x03))),
        Block("the checksum at offset 28 has 3 bytes, not 4", With(ProxyHeaders.Extension(0x03, 1, 2, 3))),
        Block("the checksum at offset 31 has 5 bytes, not 4", With(ProxyHeaders.Extension(0x04), ProxyHeaders.Extension(0x03, 1, 2, 3, 4, 5))),
        Block("there is a second checksum, at offset 35", ProxyHeaders.Seal(With(ProxyHeaders.NoChecksum(), ProxyHeaders.NoChecksum()), 31)),
        Block("there is a second checksum, at offset 41", ProxyHeaders.Seal(With(ProxyHeaders.NoChecksum(), ProxyHeaders.Extension(0x04, 0, 0, 0), ProxyHeaders.NoChecksum()), 31)),
        Block("its checksum is 0x00000000, and its bytes have 0x1c1ae9c6", With(ProxyHeaders.NoChecksum())),
        Block("its checksum is 0xc6e91a1c, and its bytes have 0x1c1ae9c6", With(ProxyHeaders.Extension(0x03, 0xc6, 0xe9, 0x1a, 0x1c))),
        Block("its checksum is 0x1c1ae9c7, and its bytes have 0x1c1ae9c6", With(ProxyHeaders.Extension(0x03, 0x1c, 0x1a, 0xe9, 0xc7))),
    ];

    [TestCaseSource(nameof(Lines))]
    [TestCaseSource(nameof(Blocks))]
    [TestCaseSource(nameof(Extensions))]
    public void Each_is_broken_at_the_byte_that_shows_it_and_says_why(byte[] received, string reason)
    {
        var expected = ProxyReading.Broken(reason);
        Assert.That(ProxyReading.Of(received.AsMemory(0, received.Length - 1)), Is.EqualTo(ProxyReading.NeedsMore));
        Assert.That(ProxyReading.Of(received), Is.EqualTo(expected));

        // The fixed bytes of version 2 belong to every header.
        var following = received[0] == '\r' && received.Length < 16 ? new byte[16 - received.Length] : Pieces.Forbidden;
        Assert.That(ProxyReading.Of(Pieces.Of(received, following)), Is.EqualTo(expected));
        Assert.That(ProxyReading.Of(Pieces.Of([.. Pieces.OneByOne(received), following])), Is.EqualTo(expected));
    }

    [Test]
    public void A_line_has_107_bytes_at_most([Values(107, 108)] int length)
    {
        var line = ProxyHeaders.V1Unknown(new string(' ', length - 15));
        var tooLong = ProxyReading.Broken($"version 1: \"PROXY UNKNOWN{new string(' ', 93)}\\x0d\" has 107 bytes and no carriage return and line feed at their end");
        Assert.That(line, Has.Length.EqualTo(length));
        Assert.That(ProxyReading.Of(line), Is.EqualTo(length == 107 ? ProxyReading.Complete(new(ProxyCommand.Proxy), length) : tooLong));
        Assert.That(ProxyReading.Of(line.AsMemory(0, 106)), Is.EqualTo(ProxyReading.NeedsMore));
    }

    /// <summary>However much comes without an end of line, no more than the limit is waited for.</summary>
    [Test]
    public void A_line_without_end_is_broken_at_its_107th_byte()
    {
        var line = Encoding.ASCII.GetBytes("PROXY TCP4 " + new string('1', 96));
        var expected = ProxyReading.Broken($"version 1: \"PROXY TCP4 {new string('1', 96)}\" has 107 bytes and no carriage return and line feed at their end");
        Assert.That(ProxyReading.Of(Pieces.Of(line, Pieces.Forbidden)), Is.EqualTo(expected));
        Assert.That(ProxyReading.Of(line.AsMemory(0, 106)), Is.EqualTo(ProxyReading.NeedsMore));
    }

    private static TestCaseData Line(string line, string reason) => Case(Encoding.Latin1.GetBytes(line), $"version 1: {reason}");

    private static TestCaseData Shape(string line, string protocol) => Line($"{line}\r\n", $"\"{line}\" is not {protocol}, two addresses and two ports, with one space before each");

    private static IEnumerable<TestCaseData> Addresses(string protocol, string fault, params string[] addresses)
    {
        var right = protocol == "TCP4" ? "1.2.3.4" : "::1";
        foreach (var address in addresses.Select(address => Encoding.Latin1.GetString(Encoding.UTF8.GetBytes(address))))
        {
            yield return Line($"PROXY {protocol} {address} {right} 1 2\r\n", $"the source {Quoted(address)} {fault}");
            yield return Line($"PROXY {protocol} {right} {address} 1 2\r\n", $"the destination {Quoted(address)} {fault}");
        }
    }

    private static IEnumerable<TestCaseData> Ports(params string[] ports) => ports.SelectMany(port => new[]
    {
        Line($"PROXY TCP4 1.2.3.4 5.6.7.8 {port} 2\r\n", $"the source port {Quoted(port)} {Port}"),
        Line($"PROXY TCP6 ::1 ::2 1 {port}\r\n", $"the destination port {Quoted(port)} {Port}"),
    });

    private static string Quoted(string bytes) => $"\"{string.Concat(bytes.Select(one => one is > '\x1f' and < '\x7f' ? $"{one}" : $"\\x{(int)one:x2}"))}\"";

    private static TestCaseData Block(string reason, byte[] received) => Case(received, $"version 2: {reason}");

    private static byte[] With(params byte[][] extensions) => ProxyHeaders.V2(0x21, 0x11, [Tcp4, .. extensions]);

    /// <summary>What follows the signature, and no more.</summary>
    private static byte[] Short(params byte[] start) => [.. ProxyHeaders.V2(0, 0)[..12], .. start];

    private static byte[] Path(params byte[] begin) => [.. begin, .. new byte[108 - begin.Length]];

    private static byte[] Full(byte value) => [.. Enumerable.Repeat(value, 108)];

    private static TestCaseData Case(byte[] received, string reason) => new TestCaseData(received, reason).SetArgDisplayNames($"{Convert.ToHexString(received.AsSpan(Math.Min(12, received.Length / 2)))}", reason);
}
