using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Text;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>PROXY headers, byte for byte as the specification has them: what each says, where it ends, and from which byte on that is known.</summary>
internal sealed class ProxyHeaderTests
{
    private const int MostPieces = 64;
    private const string Signature = "0D0A0D0A000D0A515549540A";
    private static readonly ProxyHeader Nameless = new(ProxyCommand.Proxy);
    private static readonly ProxyHeader Local = new(ProxyCommand.Local);
    private static readonly string Groups = string.Join(':', Enumerable.Repeat("ffff", 8));

    private static IEnumerable<TestCaseData> Headers =>
    [
        Line("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", Tcp4("192.168.0.1:56324", "192.168.0.11:443")),
        Line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Tcp4("255.255.255.255:65535", "255.255.255.255:65535")),
        Line("PROXY TCP4 0.0.0.0 10.0.200.9 0 1\r\n", Tcp4("0.0.0.0:0", "10.0.200.9:1")),
        Line("PROXY TCP6 2001:db8::1 2001:DB8:0:0:0:0:0:2 4711 443\r\n", Tcp6("[2001:db8::1]:4711", "[2001:db8::2]:443")),
        Line($"PROXY TCP6 {Groups} {Groups} 65535 65535\r\n", Tcp6($"[{Groups}]:65535", $"[{Groups}]:65535")),
        Line("PROXY TCP6 :: 1:: 0 0\r\n", Tcp6("[::]:0", "[1::]:0")),
        Line("PROXY TCP6 ::ffff:192.0.2.1 ::FFFF:c000:202 1 2\r\n", new(ProxyCommand.Proxy, ProxyFamily.Tcp6, IPEndPoint.Parse("192.0.2.1:1"), IPEndPoint.Parse("192.0.2.2:2"))),
        Line("PROXY UNKNOWN\r\n", Nameless),
        Line("PROXY UNKNOWN \r\n", Nameless),
        Line("PROXY UNKNOWN 192.168.0.1  x\r\r\n", Nameless),
        Line("PROXY UNKNOWN \r \n\n\u00ff\0\r\n", Nameless),
        Line($"PROXY UNKNOWN {Groups} {Groups} 65535 65535\r\n", Nameless),
        Block("21 11 000C C0A80001 C0A8000B DC04 01BB", Tcp4("192.168.0.1:56324", "192.168.0.11:443")),
        Block("21 21 0024 20010DB8000000000000000000000001 20010DB8000000000000000000000002 1267 01BB", Tcp6("[2001:db8::1]:4711", "[2001:db8::2]:443")),
        Block("21 21 0024 00000000000000000000FFFFC0000201 00000000000000000000FFFFC0000202 0001 FFFF", new(ProxyCommand.Proxy, ProxyFamily.Tcp6, IPEndPoint.Parse("192.0.2.1:1"), IPEndPoint.Parse("192.0.2.2:65535"))),
        Block($"21 31 00D8 {Path("2F72756E2F61")} {Path("2F72756E2F6200666F6F")}", Unix("/run/a", "/run/b")),
        Block($"21 31 00D8 {Path("")} {Path("2FC3BC")}", Unix(null, "/ü")),
        Block($"21 31 00D8 {Path("")} {Path("")}", Unix(null, null)),
        Block($"21 31 00D8 {Path(Repeated("61", 107))} {Path("00666F6F")}", Unix(new string('a', 107), "\0foo")),
        Block($"21 31 00D8 {Path("00" + Repeated("62", 107))} {Path("2F")}", Unix("\0" + new string('b', 107), "/")),
        Block("21 00 0000", Nameless),
        Block("21 00 0005 0102030405", Nameless),
        Block("20 00 0000", Local),
        Block("20 11 000C C0A80001 C0A8000B DC04 01BB", Local),
        Block("20 FF 0003 030004", Local),
        Block("21 11 0013 C0A80001 C0A8000B DC04 01BB 030004 1C1AE9C6", Tcp4("192.168.0.1:56324", "192.168.0.11:443")),
        Block($"21 11 1000 C0A80001 C0A8000B DC04 01BB E00FF1 {Repeated("00", 4081)}", Tcp4("192.168.0.1:56324", "192.168.0.11:443")),
        Block($"20 00 1000 {Repeated("FF", 4096)}", Local),
        Block($"21 00 1000 {Repeated("FF", 4096)}", Nameless),
    ];

    private static IEnumerable<TestCaseData> Others =>
    [
        Start("", 0), Start("GET / HTTP/1.1\r\n\r\n", 1), Start("\u0016\u0003\u0001\u0002\0\u0001", 1), Start("\0", 1), Start("\n", 1), Start("proxy TCP4 ", 1), Start(" PROXY TCP4", 1),
        Start("PUT / HTTP/1.1\r\n", 2), Start("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 3), Start("PROPFIND / HTTP/1.1", 4), Start("PROXX", 5), Start("PROXy TCP4", 5),
        Start("\r\n\r\nGET / HTTP/1.1", 5), Start("\r\rQUIT", 2), Start("\r\n\r\n\0\r\nQUIT\r\n", 12), Start("\r\n\r\n\0\r\nQUITX", 12),
    ];

    [TestCaseSource(nameof(Headers))]
    public void A_whole_header_is_understood_and_what_follows_is_left_alone(byte[] header, object says)
    {
        var expected = ProxyReading.Complete((ProxyHeader)says, header.Length);
        Assert.That(ProxyReading.Of(header), Is.EqualTo(expected));
        byte[] followed = [.. header, .. header];
        Assert.That(ProxyReading.Of(followed), Is.EqualTo(expected));
    }

    [TestCaseSource(nameof(Headers))]
    public void Pieces_of_any_size_are_put_together(byte[] header, object says)
    {
        var expected = ProxyReading.Complete((ProxyHeader)says, header.Length);
        for (var at = 0; at <= header.Length; at++)
        {
            Assert.That(ProxyReading.Of(Pieces.Of(header.AsMemory(0, at), header.AsMemory(at))), Is.EqualTo(expected), $"in two at {at}");
        }

        Assert.That(ProxyReading.Of(Pieces.Of(Pieces.OneByOne(header))), Is.EqualTo(expected));
        Assert.That(ProxyReading.Of(Pieces.Of(Pieces.OneByOne(header).SelectMany(piece => new[] { default, piece, default }))), Is.EqualTo(expected), "with empty ones between");
    }

    [TestCaseSource(nameof(Headers))]
    public void No_byte_beyond_the_header_is_looked_at(byte[] header, object says)
    {
        var expected = ProxyReading.Complete((ProxyHeader)says, header.Length);
        Assert.That(ProxyReading.Of(Pieces.Of(header, Pieces.Forbidden)), Is.EqualTo(expected));
        Assert.That(ProxyReading.Of(Pieces.Of([.. Pieces.OneByOne(header), Pieces.Forbidden, Pieces.Forbidden])), Is.EqualTo(expected));
    }

    [TestCaseSource(nameof(Headers))]
    public void Every_part_of_a_header_needs_more(byte[] header, object says)
    {
        Assert.That(says, Is.InstanceOf<ProxyHeader>());
        for (var length = 0; length < header.Length; length++)
        {
            Assert.That(ProxyReading.Of(header.AsMemory(0, length)), Is.EqualTo(ProxyReading.NeedsMore), $"{length} bytes");
            var pieces = Pieces.OneByOne(header.AsMemory(0, length)).TakeLast(MostPieces);
            Assert.That(ProxyReading.Of(Pieces.Of([header.AsMemory(0, length - pieces.Count()), .. pieces])), Is.EqualTo(ProxyReading.NeedsMore), $"{length} bytes, the last ones one by one");
        }
    }

    [TestCaseSource(nameof(Others))]
    public void What_is_no_header_is_known_by_the_first_byte_that_differs(byte[] start, int known)
    {
        for (var length = 0; length <= start.Length; length++)
        {
            Assert.That(ProxyReading.Of(start.AsMemory(0, length)), Is.EqualTo(length < known || length == 0 ? ProxyReading.NeedsMore : ProxyReading.Absent), $"{length} bytes");
        }

        if (known > 0)
        {
            Assert.That(ProxyReading.Of(Pieces.Of([.. Pieces.OneByOne(start.AsMemory(0, known)), Pieces.Forbidden])), Is.EqualTo(ProxyReading.Absent));
        }
    }

    [Test]
    public void The_position_after_a_header_is_where_the_clients_bytes_begin()
    {
        var received = Pieces.Of([.. Pieces.OneByOne("PROXY UNKNOWN\r\nhel"u8.ToArray()), "lo"u8.ToArray()]);
        Assert.That(ProxyHeaderParser.Parse(received, out _, out var after, out _), Is.EqualTo(ProxyVerdict.Complete));
        Assert.That(received.Slice(after).ToArray(), Is.EqualTo("hello"u8.ToArray()));
    }

    /// <summary>As a connection has it that gave back some bytes before.</summary>
    [Test]
    public void A_header_may_begin_and_end_inside_pieces()
    {
        var received = Pieces.Of("..PROXY TCP4 1.2.3.4 5.6"u8.ToArray(), ".7.8 9 10\r\n.."u8.ToArray());
        Assert.That(ProxyReading.Of(received.Slice(2)), Is.EqualTo(ProxyReading.Complete(Tcp4("1.2.3.4:9", "5.6.7.8:10"), received.Length - 4)));
        Assert.That(ProxyReading.Of(received.Slice(2, received.Length - 5)), Is.EqualTo(ProxyReading.NeedsMore));
    }

    private static TestCaseData Line(string line, ProxyHeader says) => Case(Encoding.Latin1.GetBytes(line), says);

    private static TestCaseData Block(string afterSignature, ProxyHeader says) => Case(Convert.FromHexString(Signature + afterSignature.Replace(" ", "", StringComparison.Ordinal)), says);

    private static TestCaseData Case(byte[] header, ProxyHeader says) => new TestCaseData(header, says).SetArgDisplayNames($"{header.Length} bytes", Convert.ToHexString(header.AsSpan(0, Math.Min(header.Length, 60))));

    private static TestCaseData Start(string text, int known) => new TestCaseData(Encoding.Latin1.GetBytes(text), known).SetArgDisplayNames(Convert.ToHexString(Encoding.Latin1.GetBytes(text)));

    private static ProxyHeader Tcp4(string source, string destination) => new(ProxyCommand.Proxy, ProxyFamily.Tcp4, IPEndPoint.Parse(source), IPEndPoint.Parse(destination));

    private static ProxyHeader Tcp6(string source, string destination) => new(ProxyCommand.Proxy, ProxyFamily.Tcp6, IPEndPoint.Parse(source), IPEndPoint.Parse(destination));

    private static ProxyHeader Unix(string? source, string? destination) =>
        new(ProxyCommand.Proxy, ProxyFamily.Unix, source is null ? null : new UnixDomainSocketEndPoint(source), destination is null ? null : new UnixDomainSocketEndPoint(destination));

    private static string Path(string begin) => begin.PadRight(2 * 108, '0');

    private static string Repeated(string value, int times) => string.Concat(Enumerable.Repeat(value, times));
}
