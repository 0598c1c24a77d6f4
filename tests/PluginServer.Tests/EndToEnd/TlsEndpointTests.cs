using System.Globalization;
using System.Net;
using System.Net.Sockets;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Endpoints that speak TLS, with the clients of OpenSSL and curl, and one of the framework's where those cannot say what is to be said.</summary>
[TestFixture("epoll")]
[TestFixture("sockets")]
internal sealed class TlsEndpointTests(string transport)
{
    private readonly TlsSite _site = new(transport);

    [SetUp]
    public async Task Fill()
    {
        if (await Tools.MissingAsync("openssl", "curl") is { } why)
        {
            Assert.Ignore(why);
        }

        _site.Fill();
    }

    [TearDown]
    public void Remove() => _site.Dispose();

    [TestCase("-tls1_2", "TLSv1.2", "Tls12 TLS_ECDHE_RSA_WITH_")]
    [TestCase("-tls1_3", "TLSv1.3", "Tls13 TLS_")]
    public async Task Both_versions_are_spoken_and_the_handler_is_told_what_was_agreed_on(string option, string version, string told)
    {
        await using var server = await _site.StartAsync();
        using (var client = Connect(server, "-servername", "default.example", "-verify_hostname", "default.example", option))
        {
            Assert.That(await client.ReadLineAsync(), Does.Match($@"^{told}\w+ - default\.example - 127\.0\.0\.1:\d+$"));
            var (code, said) = await client.LeaveAsync();
            Assert.That((code, Line(said, "Protocol version"), Line(said, "Verification"), Line(said, "Verified peername")), Is.EqualTo((0, version, "OK", "default.example")), said);
        }

        await server.AssertNothingLeftAsync();
        Assert.That((server.Endpoint().Counters.Accepted, server.Endpoint().Counters.Rejected, server.Endpoint().Counters.HandlerFaults), Is.EqualTo((1, 0, 0)));
    }

    [Test]
    public async Task Below_minimumVersion_a_client_is_refused_and_told()
    {
        await using var server = await _site.StartAsync(", \"minimumVersion\": \"1.3\"");
        await AssertRefusedAsync(server, "SSL alert number 70", "-tls1_2");
        using var client = Connect(server);
        Assert.That(await client.ReadLineAsync(), Does.StartWith("Tls13 "));
    }

    [TestCase("www.example.org", "www.example.org")]
    [TestCase("WWW.example.org", "www.example.org")]
    [TestCase("other.example.org", "*.example.org")]
    [TestCase("a.b.example.org", "default.example")]
    [TestCase("example.org", "default.example")]
    [TestCase(null, "default.example")]
    public async Task A_client_is_shown_the_certificate_of_the_host_that_it_asks_for(string? asked, string shown)
    {
        await using var server = await _site.StartAsync(_site.Hosts("www.example.org", "*.example.org"));
        foreach (var version in new[] { "-tls1_2", "-tls1_3" })
        {
            using var client = asked is null ? Connect(server, version, "-noservername") : Connect(server, version, "-servername", asked);
            Assert.That((await client.ReadLineAsync()).Split(' ')[3], Is.EqualTo(asked ?? "-"));
            var (_, said) = await client.LeaveAsync();
            Assert.That((Line(said, "Peer certificate"), Line(said, "Verification")), Is.EqualTo(($"CN = {shown}", "OK")), said);
        }
    }

    [TestCase("http/1.1,h2", "h2")]
    [TestCase("x,http/1.1", "http/1.1")]
    [TestCase(null, "-")]
    public async Task The_endpoint_chooses_the_protocol_that_it_prefers(string? offered, string chosen)
    {
        await using var server = await _site.StartAsync(", \"alpn\": [ \"h2\", \"http/1.1\" ]");
        using var client = offered is null ? Connect(server) : Connect(server, "-alpn", offered);
        Assert.That((await client.ReadLineAsync()).Split(' ')[2], Is.EqualTo(chosen));
    }

    [TestCase("-tls1_2")]
    [TestCase("-tls1_3")]
    public async Task A_client_that_offers_only_other_protocols_is_refused_and_told(string version)
    {
        await using var server = await _site.StartAsync(", \"alpn\": [ \"h2\" ]");
        await AssertRefusedAsync(server, "SSL alert number 120", version, "-alpn", "other");
    }

    [TestCase("none", "no", "-")]
    [TestCase("none", "right", "-")]
    [TestCase("none", "wrong", "-")]
    [TestCase("allow", "no", "-")]
    [TestCase("allow", "right", "CN=right")]
    [TestCase("allow", "wrong", null)]
    [TestCase("require", "no", null)]
    [TestCase("require", "right", "CN=right")]
    [TestCase("require", "wrong", null)]
    public async Task A_client_is_served_by_its_certificate_and_the_handler_sees_it(string mode, string certificate, string? seen)
    {
        await using var server = await _site.StartAsync($", \"clientCertificate\": \"{mode}\"{(mode == "none" ? "" : $", \"clientAuthorities\": \"{_site.Files["clients.pem"]}\"")}");
        string[] own = certificate == "no" ? [] : ["-cert", _site.AddClient(certificate, isKnown: certificate == "right"), "-key", _site.Files[$"{certificate}.client.pem"]];
        foreach (var version in new[] { "-tls1_2", "-tls1_3" })
        {
            if (seen is null)
            {
                // The runtime looks at a certificate after the handshake, and .NET 10 has no alert for it on Linux.
                await AssertRefusedAsync(server, "(SSL alert number [0-9]+|unexpected eof while reading)", [version, .. own]);
                continue;
            }

            using var client = Connect(server, [version, .. own]);
            Assert.That((await client.ReadLineAsync()).Split(' ')[4], Is.EqualTo(seen));
            Assert.That((await client.LeaveAsync()).Code, Is.Zero);
        }
    }

    [Test]
    public async Task A_megabyte_comes_back_as_it_was_sent([Values("-tls1_2", "-tls1_3")] string version)
    {
        await using var server = await _site.StartAsync();
        var random = new Random(1);
        var text = string.Concat(Enumerable.Range(0, 1 << 14).Select(_ => string.Create(63, random, static (line, random) => random.GetItems("abcdefghijklmnopqrstuvwxyz", line)) + "\n"));
        using var client = Connect(server, version);
        await client.ReadLineAsync();
        Assert.That(await client.ExchangeAsync(text) == text, "the same text");
        Assert.That((await client.LeaveAsync()).Code, Is.Zero);
        await server.AssertNothingLeftAsync();
        Assert.That((server.Endpoint().Counters.Received, server.Endpoint().Counters.Sent), Is.GreaterThan((1L << 20, 1L << 20)));
    }

    [Test]
    public async Task A_client_of_today_resumes_its_session()
    {
        await using var server = await _site.StartAsync();
        var session = _site.Files["session.pem"];
        using (var client = Connect(server, "-sess_out", session))
        {
            // Tickets come before the first that a handler says.
            await client.ReadLineAsync();
            Assert.That((await client.LeaveAsync()).Code, Is.Zero);
        }

        var (code, said) = await Tools.RunAsync("openssl", "s_client", "-connect", server.Endpoint().LocalEndPoint.ToString()!, "-CAfile", _site.Authority, "-verify_return_error", "-sess_in", session);
        Assert.That((code, said.Split('\n').Single(line => line.Contains(", Cipher is ", StringComparison.Ordinal))), Is.EqualTo((0, "Reused, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384")));
    }

    [Test]
    public async Task Over_a_Unix_socket_too()
    {
        var path = Path.Combine(_site.Workspace.Root, "tls.sock");
        _site.Configure(unix: path);
        await using var server = await TestServer.StartAsync(_site.Workspace, keep: true);
        using var client = OpensslClient.Start(new UnixDomainSocketEndPoint(path), "-CAfile", _site.Authority, "-verify_return_error", "-servername", "default.example");
        Assert.That(await client.ReadLineAsync(), Does.StartWith("Tls13 ").And.Contain(" default.example - "));
        Assert.That(await client.ExchangeAsync("hello\n"), Is.EqualTo("hello\n"));
        var (code, said) = await client.LeaveAsync();
        Assert.That((code, Line(said, "Verification")), Is.EqualTo((0, "OK")), said);
        await server.AssertNothingLeftAsync();
    }

    [Test]
    public async Task The_PROXY_header_comes_before_TLS_and_the_limits_go_by_it()
    {
        await using var server = await _site.StartAsync(more: ", \"proxyProtocol\": \"required\", \"maxConnectionsPerAddress\": 1");
        var source = new IPEndPoint(IPAddress.Parse("203.0.113.7"), 40000);
        using var client = await server.ConnectAsync();
        await client.SendAsync(ProxyHeaders.V2(source, source));
        await using var tls = await TlsSite.EnterAsync(client);
        using var reader = new StreamReader(tls);
        Assert.That(await reader.ReadLineAsync(Deadline.Token), Does.StartWith("Tls13 ").And.EndWith(" default.example - 203.0.113.7:40000"));
        await tls.WriteAsync("hello\n"u8.ToArray(), Deadline.Token);
        Assert.That(await reader.ReadLineAsync(Deadline.Token), Is.EqualTo("hello"));

        // In one segment with the header, and over the limit of that address.
        using var second = await server.ConnectAsync();
        await second.SendAsync((byte[])[.. ProxyHeaders.V2(source, source), .. TlsSite.Hello()]);
        Assert.That(await second.EndsInResetAsync(), Is.True);
        using var other = await server.ConnectAsync();
        await other.SendAsync((byte[])[.. ProxyHeaders.V1(new IPEndPoint(IPAddress.Loopback, 1), source), .. TlsSite.Hello()]);
        Assert.That(await other.Socket.ReceiveAsync(new byte[1], Deadline.Token), Is.EqualTo(1), "the server answers");
        Assert.That(server.Reloader.Status().Endpoints.Single().RejectedByReason, Is.EqualTo([("address_limit", 1L)]));
    }

    [Test]
    public async Task Curl_is_shown_the_certificate_of_each_name_behind_a_PROXY_header_too([Values] bool proxied)
    {
        await using var server = await _site.StartAsync(_site.Hosts("www.example.org", "*.example.org"), proxied ? ", \"proxyProtocol\": \"required\"" : "", "HttpHandler");
        var port = server.Endpoint().Port.ToString(CultureInfo.InvariantCulture);
        foreach (var (name, isKnown) in new[] { ("www.example.org", true), ("any.example.org", true), ("default.example", true), ("other.example", false) })
        {
            var (code, output) = await Tools.RunAsync("curl", ["--silent", "--show-error", "--cacert", _site.Authority, "--resolve", $"{name}:{port}:127.0.0.1", .. proxied ? ["--haproxy-protocol"] : Array.Empty<string>(), $"https://{name}:{port}/"]);

            // 60: it does not believe what it is shown.
            Assert.That(code, Is.EqualTo(isKnown ? 0 : 60), output);
            Assert.That(output, isKnown ? Is.EqualTo($"{name}\n") : Does.Contain(name));
        }

        await server.AssertNothingLeftAsync();
    }

    [Test]
    public async Task A_client_that_does_not_believe_the_certificate_is_counted_and_the_log_says_so()
    {
        await using var server = await _site.StartAsync();
        using var client = OpensslClient.Start(server.Endpoint().LocalEndPoint, "-CAfile", _site.Files["clients.pem"], "-verify_return_error");
        var (code, said) = await client.EndAsync();
        Assert.That(code, Is.Not.Zero, said);
        await AssertRejectedAsync(server, 1);
        Assert.That(Rejections(server).Single(), Does.Contain("unknown ca").IgnoreCase);
    }

    [Test]
    public async Task What_is_no_TLS_is_counted_and_said_once_a_second()
    {
        var time = new ManualTime();
        await using var server = await _site.StartAsync(time: time);
        for (var round = 0; round < 2; round++)
        {
            for (var number = 0; number < 3; number++)
            {
                using var client = await server.ConnectAsync();
                await client.SendAsync("GET / HTTP/1.1\r\n\r\n");
                client.SendFin();
                await client.EndsInResetAsync();
            }

            await AssertRejectedAsync(server, 3 * (round + 1));
            Assert.That(Rejections(server), Has.Length.EqualTo(round + 1));
            Assert.That(Rejections(server)[round], Does.EndWith(": TLS could not be agreed on (tls): what the peer sent is no TLS record, but begins with 474554202F"));

            // The rest of the second is one line; after a quiet one the next is the first again.
            time.Advance(TimeSpan.FromSeconds(1));
            Assert.That(server.Log.Count(line => line.EndsWith("Endpoint test: 2 times more: rejected (tls)", StringComparison.Ordinal)), Is.EqualTo(round + 1));
            time.Advance(TimeSpan.FromSeconds(1));
        }
    }

    [Test]
    public async Task A_client_that_is_refused_and_reads_nothing_is_gone_at_the_deadline()
    {
        // Of 88 KB, which is more than both ends take: the alert is behind it. Much more OpenSSL does not take either.
        var certificate = TestCertificate.Make("default.example", hosts: [.. Enumerable.Range(0, 4000).Select(number => $"{number}.default.example")]);
        _site.Files.WritePair(certificate);
        await using var server = await _site.StartAsync(more: ", \"handshakeTimeout\": \"00:00:02\", \"socket\": { \"sendBuffer\": 4096 }");
        using var client = await server.ConnectAsync();
        client.Socket.ReceiveBufferSize = 2048;
        await client.SendAsync((byte[])[.. TlsSite.Hello(), 23, 3, 3, 0, 5, .. "hello"u8]);
        await Deadline.UntilAsync(() => server.Endpoint().Handshakes.Count == 1, "it has come");
        await Deadline.UntilAsync(() => server.Endpoint().Handshakes.Count == 0, "it is gone");
        await AssertRejectedAsync(server, 1);
    }

    private static string[] Rejections(TestServer server) => [.. server.Log.Where(line => line.Contains(" is rejected: ", StringComparison.Ordinal))];

    /// <summary>What openssl says of this.</summary>
    private static string? Line(string said, string what) =>
        said.Split('\n').FirstOrDefault(line => line.StartsWith($"{what}: ", StringComparison.Ordinal))?[(what.Length + 2)..];

    private static async Task AssertRejectedAsync(TestServer server, int count)
    {
        await server.AssertNothingLeftAsync();
        Assert.That(server.Reloader.Status().Endpoints.Single().RejectedByReason, Is.EqualTo([("tls", (long)count)]));
        Assert.That(Rejections(server), Is.Not.Empty);
    }

    private OpensslClient Connect(TestServer server, params string[] arguments) =>
        OpensslClient.Start(server.Endpoint().LocalEndPoint, ["-CAfile", _site.Authority, "-verify_return_error", .. arguments]);

    private async Task AssertRefusedAsync(TestServer server, string told, params string[] arguments)
    {
        var before = server.Endpoint().Counters.Rejected;
        using var client = Connect(server, arguments);
        var (code, said) = await client.EndAsync();
        Assert.That(said, Does.Match(told));
        Assert.That(code, Is.Not.Zero, said);
        await AssertRejectedAsync(server, (int)before + 1);
    }
}
