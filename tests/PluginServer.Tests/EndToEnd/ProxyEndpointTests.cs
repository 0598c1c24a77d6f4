using System.Net;
using System.Net.Sockets;
using System.Text;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Endpoints behind proxies: whom the handler sees, who is believed, and what becomes of the others.</summary>
internal sealed class ProxyEndpointTests
{
    private static readonly IPEndPoint Client4 = new(IPAddress.Parse("203.0.113.7"), 40000);
    private static readonly IPEndPoint Server4 = new(IPAddress.Parse("198.51.100.1"), 443);
    private static readonly IPEndPoint Client6 = new(IPAddress.Parse("2001:db8::7"), 40001);
    private static readonly IPEndPoint Server6 = new(IPAddress.Parse("2001:db8::1"), 444);
    private readonly Workspace _workspace = new();

    [SetUp]
    public void Fill() => _workspace.With("Behaviours");

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [TestCaseSource(nameof(Headers))]
    public async Task The_handler_sees_the_real_client_and_every_byte_after_the_header(byte[] header, IPEndPoint source, IPEndPoint destination)
    {
        await using var server = await StartAsync("required");
        using (var client = await server.ConnectAsync())
        {
            await client.SendAsync((byte[])[.. header, .. "who\n"u8]);
            Assert.That(await client.ReadTextToEndAsync(), Does.EndWith($" test {destination} {source}"));
        }

        await server.AssertNothingLeftAsync();
        Assert.That(server.Endpoint().Counters.Rejected, Is.Zero);
    }

    [TestCase("epoll")]
    [TestCase("sockets")]
    public async Task A_header_may_be_split_at_every_byte(string transport)
    {
        await using var server = await StartAsync("required", $", \"transport\": \"{transport}\"");
        foreach (var header in new[] { ProxyHeaders.V1(Client4, Server4), ProxyHeaders.V2(Client6, Server6, ProxyHeaders.Extension(0xe0, 1, 2, 3)) })
        {
            for (var split = 1; split < header.Length; split++)
            {
                using var client = await server.ConnectAsync();
                await client.SendAsync(header.AsMemory(0, split));
                await Task.Yield();
                await client.SendAsync((byte[])[.. header[split..], .. "who\n"u8]);
                Assert.That(await client.ReadTextToEndAsync(), Does.Contain($" {Server4} {Client4}").Or.Contain($" {Server6} {Client6}"));
            }

            using var slow = await server.ConnectAsync();
            foreach (var value in header)
            {
                await slow.SendAsync(new[] { value });
                await Task.Yield();
            }

            await slow.SendAsync("who\n");
            Assert.That(await slow.ReadTextToEndAsync(), Does.Contain(" test "));
        }

        await server.AssertNothingLeftAsync();
    }

    [Test]
    public async Task Who_speaks_for_itself_keeps_its_own_address_has_no_limit_and_makes_no_noise()
    {
        await using var server = await StartAsync("required", ", \"maxConnectionsPerAddress\": 1, \"connectionsPerSecond\": 1, \"deny\": [ \"127.0.0.1/32\" ]");
        foreach (var header in new[] { ProxyHeaders.V2Local(), ProxyHeaders.V2Unspecified(), ProxyHeaders.V1Unknown(" ignored"), ProxyHeaders.V2Local() })
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync((byte[])[.. header, .. "who\n"u8]);
            Assert.That(await client.ReadTextToEndAsync(), Does.EndWith($" test {server.Endpoint().LocalEndPoint} {client.Socket.LocalEndPoint}"));
        }

        // A check that only connects.
        using (await server.ConnectAsync())
        {
        }

        await Deadline.UntilAsync(() => server.Endpoint().Counters.Rejected == 1, "the check is over");
        await server.AssertNothingLeftAsync();
        Assert.That(server.Reloader.Status().Endpoints.Single().RejectedByReason, Is.EqualTo([("left", 1L)]));
        Assert.That(server.Log.Where(line => line.StartsWith("Warning", StringComparison.Ordinal) || line.StartsWith("Error", StringComparison.Ordinal)), Is.Empty);
    }

    [TestCase("required", true)]
    [TestCase("required", false)]
    [TestCase("optional", true)]
    public async Task Who_is_not_trusted_may_not_speak_for_others(string kind, bool withHeader)
    {
        await using var server = await StartAsync(kind, ", \"trustedProxies\": [ \"10.0.0.0/8\" ]");
        try
        {
            using var client = await server.ConnectAsync();
            Assert.That(await EndAsync(client, [.. withHeader ? ProxyHeaders.V1(Client4, Server4) : [], .. "who\n"u8]), Is.Empty);
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            // It was turned away before it knew that it was connected.
        }

        await AssertRejectedAsync(server, "untrusted_proxy", "it is none of trustedProxies, and may not speak for others (proxyProtocol)");
    }

    [Test]
    public async Task Where_a_header_is_optional_everybody_else_is_served_as_himself()
    {
        await using var server = await StartAsync("optional", ", \"trustedProxies\": [ \"10.0.0.0/8\" ]");
        using var client = await server.ConnectAsync();
        await client.SendAsync("who\n");
        Assert.That(await client.ReadTextToEndAsync(), Does.EndWith($" {client.Socket.LocalEndPoint}"));
        await using var trusting = await TestServer.StartAsync(new Workspace().With("Behaviours").Configure(Endpoint("optional", "")));
        using var plain = await trusting.ConnectAsync();
        await plain.SendAsync("who\n");
        Assert.That(await plain.ReadTextToEndAsync(), Does.EndWith($" {plain.Socket.LocalEndPoint}"));
        using var proxied = await trusting.ConnectAsync();
        await proxied.SendAsync((byte[])[.. ProxyHeaders.V2(Client6, Server6), .. "who\n"u8]);
        Assert.That(await proxied.ReadTextToEndAsync(), Does.EndWith($" {Client6}"));
    }

    [TestCase("GET / HTTP/1.1\r\n", "the connection begins with something else")]
    [TestCase("PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n", "version 1: the protocol \"TCP5\" is none of TCP4, TCP6 and UNKNOWN")]
    [TestCase("PROXY TC", "it ended within the header")]
    public async Task A_missing_or_broken_header_ends_the_connection_and_the_log_says_what_was_wrong(string sent, string detail)
    {
        await using var server = await StartAsync("required");
        using var client = await server.ConnectAsync();
        await client.SendAsync(sent);
        client.SendFin();
        Assert.That(await EndAsync(client), Is.Empty);
        await AssertRejectedAsync(server, "proxy_header", $"its PROXY header is missing or broken (proxyProtocol): {detail}");
    }

    [TestCase("required")]
    [TestCase("optional")]
    public async Task Who_sends_nothing_is_gone_at_the_deadline_and_counts_towards_the_limit_until_then(string kind)
    {
        await using var server = await StartAsync(kind, ", \"maxConnections\": 2, \"handshakeTimeout\": \"00:00:00.300\"");
        using var silent = await server.ConnectAsync();
        using var slow = await server.ConnectAsync();
        await slow.SendAsync("PRO");
        await Deadline.UntilAsync(() => server.Endpoint().Handshakes.Count == 2, "both have come");
        using var next = await server.ConnectAsync();
        await next.SendAsync((byte[])[.. ProxyHeaders.V1(Client4, Server4), .. "who\n"u8]);
        Assert.That(await next.ReadTextToEndAsync(), Does.EndWith($" {Client4}"));
        Assert.That(server.Endpoint().Counters.Rejected, Is.GreaterThan(0), "it waited for a place");
        Assert.That(await EndAsync(silent), Is.Empty);
        Assert.That(await EndAsync(slow), Is.Empty);
        await Deadline.UntilAsync(() => server.Endpoint().Handshakes.Count == 0, "both have gone");
        Assert.That(server.Reloader.Status().Endpoints.Single().RejectedByReason, Is.EqualTo([("handshake_timeout", 2L)]));
    }

    [Test]
    public async Task The_deadline_is_live_for_those_that_wait()
    {
        var time = new ManualTime();
        _workspace.Configure(Endpoint("required", ", \"handshakeTimeout\": \"00:10:00\""));
        await using var server = await TestServer.StartAsync(_workspace, time, keep: true);
        using var waiting = await server.ConnectAsync();
        await Deadline.UntilAsync(() => server.Endpoint().Handshakes.Count == 1, "it waits");
        time.Advance(TimeSpan.FromMinutes(1));
        _workspace.Configure(Endpoint("required", ", \"handshakeTimeout\": \"00:00:10\""));
        Assert.That((await server.Reloader.ReloadAsync()).Changes, Is.EqualTo(["endpoint test: handshakeTimeout: 00:10:00 -> 00:00:10"]));
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.That(server.Endpoint().Handshakes.Count, Is.EqualTo(1), "a shorter time counts from the edit on");
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.That(await EndAsync(waiting), Is.Empty);
    }

    [Test]
    public async Task Limits_go_by_the_real_client()
    {
        await using var server = await StartAsync("required", ", \"maxConnectionsPerAddress\": 1, \"deny\": [ \"2001:db8::/32\" ]", "EchoHandler");
        using var first = await EnterAsync(server, Client4);
        using var second = await EnterAsync(server, Client4);
        using var other = await EnterAsync(server, new IPEndPoint(IPAddress.Parse("203.0.113.8"), 1));
        using var denied = await EnterAsync(server, Client6);
        Assert.That(await first.ReadLineAsync(), Is.EqualTo("hello"));
        Assert.That(await EndAsync(second), Is.Empty);
        Assert.That(await other.ReadLineAsync(), Is.EqualTo("hello"));
        Assert.That(await EndAsync(denied), Is.Empty);
        first.Dispose();
        await Deadline.UntilAsync(() => server.Endpoint().Connections.Count == 1, "the first has left");
        using var third = await EnterAsync(server, Client4);
        Assert.That(await third.ReadLineAsync(), Is.EqualTo("hello"));
        Assert.That(server.Reloader.Status().Endpoints.Single().RejectedByReason, Is.EqualTo([("denied", 1L), ("address_limit", 1L)]));
    }

    [Test]
    public async Task A_stop_cuts_who_is_not_ready_at_the_deadline_and_serves_who_becomes_ready()
    {
        using var cutNow = new CancellationTokenSource();
        _workspace.Configure(Endpoint("required", ", \"handshakeTimeout\": \"00:10:00\"", "LineHandler"), more: "\"shutdownTimeout\": \"00:10:00\",");
        await using var server = await TestServer.StartAsync(_workspace, keep: true);
        using var silent = await server.ConnectAsync();
        using var late = await server.ConnectAsync();
        await Deadline.UntilAsync(() => server.Endpoint().Handshakes.Count == 2, "both wait");
        var stop = server.StopAsync(cutNow.Token);
        await late.SendAsync((byte[])[.. ProxyHeaders.V1(Client4, Server4), .. "late\n"u8]);
        Assert.That(await late.ReadTextToEndAsync(), Is.EqualTo("late\n"));
        await cutNow.CancelAsync();
        Assert.That(await EndAsync(silent), Is.Empty);
        await stop;
        Assert.That(server.Server.Places.Taken, Is.Zero);
    }

    private static IEnumerable<TestCaseData> Headers()
    {
        yield return new TestCaseData(ProxyHeaders.V1(Client4, Server4), Client4, Server4).SetArgDisplayNames("version 1, IPv4");
        yield return new TestCaseData(ProxyHeaders.V1(Client6, Server6), Client6, Server6).SetArgDisplayNames("version 1, IPv6");
        yield return new TestCaseData(ProxyHeaders.V2(Client4, Server4), Client4, Server4).SetArgDisplayNames("version 2, IPv4");
        yield return new TestCaseData(ProxyHeaders.V2(Client6, Server6, ProxyHeaders.Extension(0x01, 1, 2)), Client6, Server6).SetArgDisplayNames("version 2, IPv6, with an extension");
    }

    /// <summary>All that comes until the end, whichever way it ends.</summary>
    private static async Task<string> EndAsync(Client client, byte[]? sent = null)
    {
        try
        {
            await client.SendAsync(sent ?? []);
            return Encoding.UTF8.GetString(await client.ReadToEndAsync());
        }
        catch (SocketException error) when (error.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown)
        {
            return "";
        }
    }

    private static async Task<Client> EnterAsync(TestServer server, IPEndPoint source)
    {
        var client = await server.ConnectAsync();
        await client.SendAsync((byte[])[.. ProxyHeaders.V2(source, source), .. "hello\n"u8]);
        await Deadline.UntilAsync(() => server.Endpoint().Handshakes.Count == 0, "it is inside, or gone");
        return client;
    }

    private static async Task AssertRejectedAsync(TestServer server, string reason, string explanation)
    {
        await server.AssertNothingLeftAsync();
        Assert.That(server.Reloader.Status().Endpoints.Single().RejectedByReason, Is.EqualTo([(reason, 1L)]));
        Assert.That(server.Log.Single(line => line.Contains(" is rejected: ", StringComparison.Ordinal)), Does.EndWith($" is rejected: {explanation}"));
        Assert.That(server.Endpoint().Counters.Accepted, Is.Zero);
    }

    private static string Endpoint(string kind, string more, string handler = "ObedientHandler") =>
        $$"""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "{{handler}}", "proxyProtocol": "{{kind}}"{{more}} } ]""";

    private Task<TestServer> StartAsync(string kind, string more = "", string handler = "ObedientHandler") => TestServer.StartAsync(_workspace.Configure(Endpoint(kind, more, handler)), keep: true);
}
