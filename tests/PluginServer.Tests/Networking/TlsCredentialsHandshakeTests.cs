using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Security.Authentication;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>Real handshakes with what was loaded: who is shown which certificate, and who is refused.</summary>
internal sealed class TlsCredentialsHandshakeTests
{
    private const string Pair = "\"key\": \"key.pem\"";
    private const string Require = Pair + ", \"clientCertificate\": \"require\", \"clientAuthorities\": \"ca.pem\"";
    private const string Allow = Pair + ", \"clientCertificate\": \"allow\", \"clientAuthorities\": \"ca.pem\"";
    private static readonly Lazy<TestCertificate> Root = new(() => TestCertificate.Authority("Root"));
    private static readonly Lazy<TestCertificate> Clients = new(() => TestCertificate.Authority("Clients"));
    private static readonly Lazy<TestCertificate> Server = new(() => TestCertificate.Make("default.example", Root.Value));
    private readonly CertificateFiles _files = new();

    [SetUp]
    public void Fill()
    {
        _files.WritePair(Server.Value);
        _files.Write("ca.pem", Clients.Value.Pem);
    }

    [TearDown]
    public void Remove() => _files.Dispose();

    [TestCase("www.example.org", "www.example.org")]
    [TestCase("WWW.Example.ORG", "www.example.org")]
    [TestCase("mail.example.org", "*.example.org")]
    [TestCase("MAIL.example.org", "*.example.org")]
    [TestCase("a.mail.example.org", "default.example")]
    [TestCase("example.org", "default.example")]
    [TestCase("b\u00fccher.example", "xn--bcher-kva.example")]
    [TestCase("xn--bcher-kva.example", "xn--bcher-kva.example")]
    [TestCase("other.example", "default.example")]
    [TestCase("127.0.0.1", "default.example")]
    [TestCase("", "default.example")]
    public async Task A_client_is_shown_the_certificate_of_the_host_that_it_asks_for(string asked, string shown)
    {
        var credentials = LoadHosts("www.example.org", "*.example.org", "bücher.example");
        await using var pair = await TlsPair.OpenAsync(credentials, TlsPair.Asking(asked));
        Assert.That(pair.Shown.MatchesHostname(shown.Replace("*", "any", StringComparison.Ordinal)), pair.Shown.Subject);
    }

    [Test]
    public void A_name_is_found_in_every_spelling_and_nothing_is_allocated_for_it()
    {
        var credentials = LoadHosts("www.example.org", "*.example.org", "*.bücher.example", "xn--mnchen-3ya.example");
        string Shown(string? name) => credentials.Select(name).ServerCertificateContext!.TargetCertificate.Subject;
        Assert.That(Shown("a.B\u00dcCHER.example"), Is.EqualTo("CN=host2"));
        Assert.That(Shown("a.xn--bcher-kva.example"), Is.EqualTo("CN=host2"));
        Assert.That(Shown("m\u00fcnchen.example"), Is.EqualTo("CN=host3"));
        Assert.That(Shown("www.example.org."), Is.EqualTo("CN=host0"));
        foreach (var odd in new[] { null, "", ".", "..", ".example.org", "*.example.org.", "example.org", new string('a', 5000) })
        {
            Assert.That(Shown(odd), Is.EqualTo(odd == "*.example.org." ? "CN=host1" : "CN=default.example"), odd);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 0; round < 1000; round++)
        {
            credentials.Select("WWW.example.org");
            credentials.Select("any.example.org");
            credentials.Select("nobody.example");
            credentials.Select(null);
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    [TestCase("\"h2\", \"http/1.1\"", "http/1.1 h2", "h2")]
    [TestCase("\"http/1.1\", \"h2\"", "h2 http/1.1", "http/1.1")]
    [TestCase("\"h2\", \"x\"", "y x", "x")]
    [TestCase("\"h2\"", "", "")]
    [TestCase("", "h2", "")]
    public async Task The_server_picks_the_protocol_that_it_prefers(string offered, string known, string picked)
    {
        var credentials = Load($"{Pair}, \"alpn\": [ {offered} ]");
        var options = TlsPair.Asking();
        options.ApplicationProtocols = known.Length == 0 ? null : [.. known.Split(' ').Select(name => new SslApplicationProtocol(name))];
        await using var pair = await TlsPair.OpenAsync(credentials, options);
        Assert.That(pair.Client.NegotiatedApplicationProtocol.ToString(), Is.EqualTo(picked));
        Assert.That(pair.Server.NegotiatedApplicationProtocol.ToString(), Is.EqualTo(picked));
    }

    [Test]
    public async Task A_client_that_knows_only_other_protocols_is_told_so()
    {
        var options = TlsPair.Asking();
        options.ApplicationProtocols = [new SslApplicationProtocol("other")];
        var (_, client) = await TlsPair.FailAsync(Load($"{Pair}, \"alpn\": [ \"h2\" ]"), options);

        // RFC 7301, 3.2: the alert no_application_protocol.
        Assert.That(client!.ToString(), Does.Contain("no application protocol"));
    }

    [TestCase("1.2", SslProtocols.Tls13, SslProtocols.Tls13)]
    [TestCase("1.2", SslProtocols.Tls12, SslProtocols.Tls12)]
    [TestCase("1.2", SslProtocols.Tls12 | SslProtocols.Tls13, SslProtocols.Tls13)]
    [TestCase("1.3", SslProtocols.Tls13, SslProtocols.Tls13)]
    [TestCase("1.3", SslProtocols.Tls12, null)]
    public async Task The_version_is_the_newest_of_both_and_none_below_the_oldest_accepted(string minimum, SslProtocols client, SslProtocols? expected)
    {
        var credentials = Load($"{Pair}, \"minimumVersion\": \"{minimum}\"");
        var options = TlsPair.Asking();
        options.EnabledSslProtocols = client;
        if (expected is null)
        {
            await TlsPair.FailAsync(credentials, options);
            return;
        }

        await using var pair = await TlsPair.OpenAsync(credentials, options);
        Assert.That(pair.Server.SslProtocol, Is.EqualTo(expected));
    }

    [TestCase("none", Pair, true, false)]
    [TestCase("none", Allow, true, false)]
    [TestCase("none", Require, false, false)]
    [TestCase("good", Pair, true, false)]
    [TestCase("good", Allow, true, true)]
    [TestCase("good", Require, true, true)]
    [TestCase("for everything", Require, true, true)]
    [TestCase("for servers", Allow, false, false)]
    [TestCase("for servers", Require, false, false)]
    [TestCase("of another authority", Allow, false, false)]
    [TestCase("of another authority", Require, false, false)]
    [TestCase("of the server's authority", Require, false, false)]
    [TestCase("self-signed", Allow, false, false)]
    [TestCase("self-signed", Require, false, false)]
    [TestCase("expired", Allow, false, false)]
    [TestCase("expired", Require, false, false)]
    [TestCase("not yet valid", Require, false, false)]
    [TestCase("of another authority of that name", Require, false, false)]
    public async Task A_client_is_served_by_its_certificate(string kind, string section, bool served, bool isKnown)
    {
        var own = kind switch
        {
            "good" => TestCertificate.Make("client", Clients.Value, usage: TestCertificate.ForClients),
            "for everything" => TestCertificate.Make("client", Clients.Value),
            "for servers" => TestCertificate.Make("client", Clients.Value, usage: TestCertificate.ForServers),
            "of another authority" => TestCertificate.Make("client", TestCertificate.Authority("Others")),
            "of another authority of that name" => TestCertificate.Make("client", TestCertificate.Authority("Clients")),
            "of the server's authority" => TestCertificate.Make("client", Root.Value),
            "self-signed" => TestCertificate.Make("client"),
            "expired" => TestCertificate.Make("client", Clients.Value, until: -1),
            "not yet valid" => TestCertificate.Make("client", Clients.Value, from: 1),
            _ => null,
        };
        var credentials = Load(section);
        foreach (var version in new[] { SslProtocols.Tls12, SslProtocols.Tls13 })
        {
            var options = TlsPair.Asking("", own?.Certificate);
            options.EnabledSslProtocols = version;
            if (!served)
            {
                var (_, fault) = await TlsPair.FailAsync(credentials, options);
                Assert.That(fault, Is.Not.Null, "the client is told");
                continue;
            }

            await using var pair = await TlsPair.OpenAsync(credentials, options);
            Assert.That(pair.Server.RemoteCertificate?.Subject, Is.EqualTo(isKnown ? "CN=client" : null));
        }
    }

    [Test]
    public async Task A_client_below_an_intermediate_is_served_wherever_that_comes_from([Values] bool inFile)
    {
        var middle = TestCertificate.Authority("Middle", Clients.Value);
        var own = TestCertificate.Make("client", middle, usage: TestCertificate.ForClients);
        if (inFile)
        {
            _files.Write("ca.pem", middle.Pem, Clients.Value.Pem);
        }

        var credentials = Load(Require);
        for (var round = 0; round < 3; round++)
        {
            // Twice more, as a client that would resume its session.
            var options = TlsPair.Asking("default.example");
            options.ClientCertificateContext = SslStreamCertificateContext.Create(own.Certificate, inFile ? null : [middle.Certificate], offline: true);
            await using var pair = await TlsPair.OpenAsync(credentials, options);
            Assert.That(pair.Server.RemoteCertificate?.Subject, Is.EqualTo("CN=client"));
        }
    }

    [Test]
    public async Task A_session_that_began_without_a_certificate_is_not_resumed_where_one_is_required([Values(SslProtocols.Tls12, SslProtocols.Tls13)] SslProtocols version)
    {
        var open = Load(Allow);
        var closed = Load(Require);
        var options = TlsPair.Asking("default.example");
        options.EnabledSslProtocols = version;
        await using (await TlsPair.OpenAsync(open, options))
        {
        }

        await using (await TlsPair.OpenAsync(Load(Pair), options))
        {
        }

        await TlsPair.FailAsync(closed, options);
    }

    [TestCase(SslProtocols.Tls12)]
    [TestCase(SslProtocols.Tls13)]
    [UnsupportedOSPlatform("windows")]
    public async Task Only_suites_that_authenticate_as_they_encrypt_are_used(SslProtocols version)
    {
        var offered = Enum.GetValues<TlsCipherSuite>().Where(suite => suite.ToString().StartsWith("TLS_ECDHE_ECDSA_WITH_AES", StringComparison.Ordinal) && suite.ToString().Contains("_CBC_", StringComparison.Ordinal));
        var options = TlsPair.Asking();
        options.EnabledSslProtocols = version;
        await using (var pair = await TlsPair.OpenAsync(Load(Pair), options))
        {
            Assert.That(pair.Server.NegotiatedCipherSuite.ToString(), Does.Contain("_GCM_").Or.Contain("_POLY1305_"));
        }

        if (version == SslProtocols.Tls12)
        {
            options.CipherSuitesPolicy = new CipherSuitesPolicy(offered);
            var (server, _) = await TlsPair.FailAsync(Load(Pair), options);
            Assert.That(server.ToString(), Does.Contain("no shared cipher"));
        }
    }

    [Test]
    [UnsupportedOSPlatform("windows")]
    public void A_client_of_today_may_resume_its_session_unless_it_is_asked_for_a_certificate()
    {
        foreach (var (section, resumes) in new[] { (Pair, true), (Allow, false), (Require, false) })
        {
            var options = Load(section).Select(null, knowsTls13: true);
            Assert.That(options.EnabledSslProtocols, Is.EqualTo(SslProtocols.Tls13));
            Assert.That(options.AllowTlsResume, Is.EqualTo(resumes));

            // With one the runtime resumes nothing.
            Assert.That(options.CipherSuitesPolicy, Is.Null);
        }
    }

    [Test]
    public async Task Which_authorities_there_are_is_told_to_the_client()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("the runtime sends them on Linux");
        }

        string[] told = [];
        var own = TestCertificate.Make("client", Clients.Value);
        var options = TlsPair.Asking();
        options.ClientCertificates = [own.Certificate];
        options.LocalCertificateSelectionCallback = (_, _, certificates, _, issuers) =>
        {
            told = issuers;
            return issuers.Length == 0 ? null! : certificates[0];
        };
        await using var pair = await TlsPair.OpenAsync(Load(Require), options);
        Assert.That(told, Is.EqualTo(["CN=Clients"]));
    }

    [Test]
    public async Task Nothing_is_asked_of_the_network()
    {
        using var web = new Socket(SocketType.Stream, ProtocolType.Tcp);
        web.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        web.Listen();
        var address = $"http://127.0.0.1:{((IPEndPoint)web.LocalEndPoint!).Port}";
        var middle = TestCertificate.Authority("Middle", Root.Value);
        _files.WritePair(TestCertificate.Make("www.example.org", middle, web: address));
        var client = TestCertificate.Make("client", TestCertificate.Authority("Missing", Clients.Value), web: address);
        var watch = Stopwatch.StartNew();
        var credentials = Load(Allow);
        await using (await TlsPair.OpenAsync(credentials, TlsPair.Asking("www.example.org")))
        {
        }

        await TlsPair.FailAsync(credentials, TlsPair.Asking("www.example.org", client.Certificate));
        Assert.That(web.Poll(TimeSpan.Zero, SelectMode.SelectRead), Is.False, "somebody called");
        Assert.That(watch.Elapsed, Is.LessThan(Deadline.Length));
    }

    private TlsCredentials LoadHosts(params string[] hosts)
    {
        var entries = hosts.Select((host, index) =>
        {
            var certificate = TestCertificate.Make($"host{index}", Root.Value, hosts: [host.Replace("bücher", "xn--bcher-kva", StringComparison.Ordinal)]);
            _files.Write($"host{index}.pem", certificate.Pem, certificate.KeyPem);
            return $"{{ \"host\": \"{host}\", \"certificate\": \"host{index}.pem\" }}";
        });
        return Load($"{Pair}, \"sni\": [ {string.Join(", ", entries)} ]");
    }

    private TlsCredentials Load(string more)
    {
        var load = new TlsSection(_files.Folder, "cert.pem", more).Load();
        Assert.That(load.Errors, Is.Empty);
        return load.Credentials!;
    }
}
