using System.Collections.Immutable;
using System.Net;
using System.Security.Authentication;
using System.Text.RegularExpressions;
using Newtonsoft.Json.Linq;
using PluginServer.Configuration;

namespace PluginServer.Tests.Configuration;

/// <summary>What becomes of a valid file.</summary>
internal sealed partial class ConfigReaderTests
{
    private const string Short = """{ "endpoints": [ { "port": 7000, "plugin": "Echo" } ] }""";

    private static string Full => File.ReadAllText(Path.Combine(Golden.Folder, "full.json"));

    private static string Everything => File.ReadAllText(Path.Combine(Golden.Folder, "everything.json"));

    [Test]
    public void What_is_left_out_has_its_default()
    {
        var config = Read(Short);
        var endpoint = config.Endpoints.Single();
        var bare = new EndpointConfig { Name = "Echo:7000", Port = 7000, Plugin = "Echo", Position = endpoint.Position };
        Assert.That(endpoint, Is.EqualTo(bare));
        Assert.That(endpoint.ListensOn, Is.EqualTo("*:7000"));
        Assert.That(endpoint.ReadLimit, Is.EqualTo(1_048_576));
        Assert.That(config.MaxConnections, Is.Null);
        Assert.That(config.ShutdownDelay, Is.EqualTo(TimeSpan.Zero));
        Assert.That(config.ShutdownTimeout, Is.EqualTo(TimeSpan.FromSeconds(30)));
        Assert.That(config.Admin, Is.EqualTo(new AdminConfig { Enabled = true, Address = IPAddress.Loopback, Port = 7070 }));
        Assert.That(config.Plugins, Is.Empty);
        Assert.That(config.Plugin("Echo").Settings, Is.EqualTo(ConfigSettings.None));
    }

    [Test]
    public void The_shipped_file_is_valid() => Assert.That(ConfigReader.Read(Path.Combine(Repository.Root, "plugins.json")).Errors, Is.Empty);

    [Test]
    public void What_is_written_is_what_the_host_gets()
    {
        var config = ConfigReader.ReadText(Full, "/etc/plugins.json").Config!;
        var (endpoint, local) = (config.Endpoints[0], config.Endpoints[1]);
        Assert.That(config.MaxConnections, Is.EqualTo(50_000));
        Assert.That(config.ShutdownDelay, Is.EqualTo(TimeSpan.FromSeconds(5)));
        Assert.That(config.ShutdownTimeout, Is.EqualTo(TimeSpan.FromDays(1) + TimeSpan.FromMilliseconds(500)));
        Assert.That(config.Admin with { Tls = null }, Is.EqualTo(new AdminConfig { Enabled = false, Address = IPAddress.IPv6Loopback, Port = 0 }));
        Assert.That((config.Admin.Tls!.Certificate.File, config.Admin.Tls.Certificate.Key, config.Admin.Tls.ClientCertificate), Is.EqualTo(("/etc/admin.pem", "/etc/admin.key", ClientCertificateKind.Allow)));
        Assert.That(config.Admin.Tls.Sni.Select(entry => entry.Certificate.File), Is.EqualTo(["/etc/a.pem", "/etc/b.pfx"]));
        Assert.That(config.Plugins.Keys, Is.EqualTo(["Key.Value"]));
        Assert.That(config.Plugin("Key.Value").Settings.Values["snapshot:keep"], Is.EqualTo("3"));
        Assert.That(config.Plugin("Key.Value").DrainTimeout, Is.EqualTo(TimeSpan.FromMinutes(10)));
        Assert.That(config.Plugin("Key.Value").Sha256, Is.EqualTo("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"));
        Assert.That(endpoint with { Settings = ConfigSettings.None }, Is.EqualTo(new EndpointConfig
        {
            Name = "kv",
            Address = IPAddress.IPv6Loopback,
            Port = 6380,
            Plugin = "Key.Value",
            Handler = "RespHandler",
            Transport = TransportKind.Sockets,
            Acceptors = 4,
            Backlog = 128,
            MaxConnections = 20,
            Overflow = OverflowKind.Refuse,
            Access = new AccessConfig
            {
                Allow = new NetworkList([IPNetwork.Parse("::1/128"), IPNetwork.Parse("10.0.0.0/8")]),
                Deny = new NetworkList([IPNetwork.Parse("10.1.0.0/16")]),
                ConnectionsPerAddress = 3,
                ConnectionsPerSecond = 100,
            },
            HandshakeTimeout = TimeSpan.FromSeconds(2),
            ProxyProtocol = ProxyKind.Required,
            TrustedProxies = new NetworkList([IPNetwork.Parse("10.0.0.1/32")]),
            IdleTimeout = TimeSpan.FromMinutes(1),
            MaxLifetime = TimeSpan.FromDays(1),
            MessageTimeout = TimeSpan.FromSeconds(10),
            MinimumRate = 100,
            ReadLimit = 65_536,
            Tls = new TlsConfig
            {
                Certificate = new CertificateConfig { File = "/etc/cert.pem", Key = "/etc/keys/key.pem", Position = endpoint.Position },
                Sni =
                [
                    new SniConfig("*.example.org", new CertificateConfig { File = "/etc/b.pem", Key = "/etc/b.key", Position = endpoint.Position }),
                    new SniConfig("example.org", new CertificateConfig { File = "/etc/c.pfx", PasswordFile = "/etc/password", Position = endpoint.Position }),
                ],
                ClientCertificate = ClientCertificateKind.Require,
                ClientAuthorities = "/etc/ca.pem",
                Alpn = ["resp", "x"],
                MinimumVersion = SslProtocols.Tls13,
                Position = endpoint.Position,
            },
            Socket = new SocketConfig { NoDelay = false, KeepAlive = true, ReceiveBuffer = 65_536, SendBuffer = 131_072 },
            Position = endpoint.Position,
        }));
        Assert.That(endpoint.ListensOn, Is.EqualTo("[::1]:6380"));
        Assert.That(local.Unix, Is.EqualTo("/etc/run/kv.sock"));
        Assert.That((config.Endpoints[2].Systemd, config.Endpoints[2].ListensOn, config.Endpoints[2].Identity), Is.EqualTo(("kv", "systemd:kv", "systemd:kv")));
        Assert.That(local.UnixMode, Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
        Assert.That((local.UnixOwner, local.ListensOn, local.Identity), Is.EqualTo(("kv:www-data", $"unix:{local.Unix}", $"unix:{local.Unix}")));
        Assert.That(endpoint.Tls!.Files, Is.EqualTo(["/etc/cert.pem", "/etc/keys/key.pem", "/etc/b.pem", "/etc/b.key", "/etc/c.pfx", "/etc/password", "/etc/ca.pem"]));
        Assert.That(config.Endpoints[3].Tls, Is.EqualTo(new TlsConfig
        {
            Certificate = new CertificateConfig { File = "/etc/cert.p12", PasswordFile = "/etc/password", Position = endpoint.Position },
            Position = endpoint.Position,
        }));
    }

    [Test]
    public void The_examples_leave_no_key_out()
    {
        // There is one section of that kind, and it has the key, which excludes this.
        var possible = ConfigKeys.All.Where(key => key.Path != "admin.tls.passwordFile").ToList();
        Assert.That(Patterns(Everything), Is.EquivalentTo(possible.Select(key => key.Path)));
        var absent = ConfigKeys.All.Where(key => key.Supported is { IsEmpty: true }).Select(key => key.Path).ToList();
        var supported = possible.Where(key => !absent.Any(path => key.Path == path || key.Path.StartsWith($"{path}.", StringComparison.Ordinal)));
        Assert.That(supported.Select(key => key.Path), Is.SubsetOf(Patterns(Full)));
    }

    [Test]
    public void Every_key_that_this_version_does_not_build_is_refused_with_what_it_does_instead()
    {
        var errors = ConfigReader.ReadText(Everything, "plugins.json").Errors;
        Assert.That(errors.Select(error => error.Message), Has.All.Contain("not supported by this version").And.All.Match("supported: |leave it out"));
        Assert.That(errors.Select(error => Pattern(error.Path)), Is.EquivalentTo(ConfigKeys.All.Where(key => key.Supported is not null).Select(key => key.Path)));
    }

    [Test]
    public void A_comma_after_the_last_element_and_comments_anywhere_are_allowed() =>
        Assert.That(Read("""/* a */ { "endpoints" /* b */ : /* c */ [ { "port": 7000, /* d */ "plugin": "Echo", }, ], } // e""").Endpoints, Has.Length.EqualTo(1));

    [Test]
    public void A_host_without_endpoints_is_legal() => Assert.That(Read("""{ "endpoints": [] }""").Endpoints, Is.Empty);

    [Test]
    public void Paths_are_relative_to_the_file()
    {
        var config = ConfigReader.ReadText("""{ "endpoints": [], "pluginDirectory": "../plugins" }""", "/etc/plugin-server/plugins.json").Config!;
        Assert.That(config.File, Is.EqualTo("/etc/plugin-server/plugins.json"));
        Assert.That(config.PluginDirectory, Is.EqualTo("/etc/plugins"));
        Assert.That(config.StateDirectory, Is.EqualTo("/etc/plugin-server/.plugin-server"));
    }

    [TestCase("""{ "endpoints": [] }""", "/var/lib/one:/var/lib/two", "/var/lib/one")]
    [TestCase("""{ "endpoints": [] }""", "", "/etc/.plugin-server")]
    [TestCase("""{ "endpoints": [], "stateDirectory": "/srv/state" }""", "/var/lib/one", "/srv/state")]
    public void The_state_directory_of_systemd_is_a_default(string text, string systemd, string expected) =>
        Assert.That(ConfigReader.ReadText(text, "/etc/plugins.json", systemd).Config!.StateDirectory, Is.EqualTo(expected));

    [Test]
    public void An_IPv4_address_in_IPv6_clothes_is_taken_for_what_it_is() =>
        Assert.That(Read("""{ "endpoints": [ { "address": "::ffff:127.0.0.1", "port": 1, "plugin": "Echo" } ] }""").Endpoints[0].ListensOn, Is.EqualTo("127.0.0.1:1"));

    [Test]
    public void Plugins_whose_names_differ_in_case_are_two()
    {
        var config = Read("""{ "endpoints": [], "plugins": { "Echo": { "settings": { "a": 1 } }, "echo": { "settings": { "a": 2 } } } }""");
        Assert.That(config.Plugin("Echo").Settings.Values["a"], Is.EqualTo("1"));
        Assert.That(config.Plugin("echo").Settings.Values["a"], Is.EqualTo("2"));
        Assert.That(config.Plugin("echo").Settings.At("A").Error("bad").Path, Is.EqualTo("plugins.echo.settings.a"));
    }

    private static ServerConfig Read(string text)
    {
        var result = ConfigReader.ReadText(text, "plugins.json");
        Assert.That(result.Errors, Is.Empty);
        return result.Config!;
    }

    private static ImmutableHashSet<string> Patterns(string text) =>
        [.. JObject.Parse(text).Descendants().Where(token => token is not JProperty).Select(token => Pattern(token.Path.Replace("['Key.Value']", ".Echo", StringComparison.Ordinal))).Where(path => !path.Contains(".settings.", StringComparison.Ordinal))];

    private static string Pattern(string path) => Entry().Replace(Index().Replace(path, "[]"), "plugins.*");

    [GeneratedRegex(@"\[[0-9]+\]")]
    private static partial Regex Index();

    [GeneratedRegex(@"^plugins\.Echo")]
    private static partial Regex Entry();
}
