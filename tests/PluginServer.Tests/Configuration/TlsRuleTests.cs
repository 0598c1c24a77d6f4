using PluginServer.Configuration;

namespace PluginServer.Tests.Configuration;

/// <summary>What is said of a <c>tls</c> section beyond the golden files, and of an edit of it.</summary>
internal sealed class TlsRuleTests
{
    private const string Before = """
        "certificate": "a.pem", "key": "a.key", "alpn": [ "x" ], "sni": [ { "host": "a.example", "certificate": "b.pem" }, { "host": "b.example", "certificate": "c.pem" } ]
        """;

    [Test]
    public void The_names_of_alpn_have_room_for_no_more_than_TLS_can_send([Values(true, false)] bool fits)
    {
        // 255 names of 256 bytes with their lengths are 65 280, and one of 254 more fills the list.
        var names = Enumerable.Range(0, 255).Select(number => $"\"{new string('x', 252)}{number:000}\"").Append($"\"{new string('y', fits ? 254 : 255)}\"");
        var errors = Errors($"\"certificate\": \"a.pem\", \"alpn\": [{string.Join(", ", names)}]");
        Assert.That(errors.Select(error => error.ToString()), Is.EqualTo(fits ? Array.Empty<string>() : ["/etc/plugins.json:1:90: endpoints[0].tls.alpn: the names take 65536 bytes together, and TLS has room for 65535; remove some"]));
    }

    [Test]
    public void A_host_is_the_same_in_any_case_and_in_either_alphabet() => Assert.That(
        Read("""  "certificate": "a.pem", "sni": [ { "host": "*.BÜCHER.example", "certificate": "a.pem" } ]  """).Sni[0].Host, Is.EqualTo("*.bücher.example"));

    [Test]
    public void Lists_are_compared_by_what_is_in_them()
    {
        var (one, other) = (Read(Before), Read(Before));
        Assert.That(one, Is.EqualTo(other));
        Assert.That(one.GetHashCode(), Is.EqualTo(other.GetHashCode()));
        foreach (var (from, to) in new[] { ("a.pem", "z.pem"), ("a.key", "z.key"), ("\"x\"", "\"y\""), ("a.example", "z.example"), ("c.pem", "z.pem") })
        {
            Assert.That(Read(Before.Replace(from, to, StringComparison.Ordinal)), Is.Not.EqualTo(one), to);
        }
    }

    [TestCase("", """ "certificate": "a.pem" """, "null -> /etc/a.pem")]
    [TestCase(""" "certificate": "a.pem" """, "", "/etc/a.pem -> null")]
    [TestCase(Before, """ "certificate": "a.pem", "key": "b.key", "alpn": [ "x", "y" ], "sni": [ { "host": "a.example", "certificate": "b.pfx", "passwordFile": "p" }, { "host": "c.example", "certificate": "c.pem" } ] """, """
        .key: /etc/a.key -> /etc/b.key
        .sni a.example.certificate: /etc/b.pem -> /etc/b.pfx
        .sni a.example.passwordFile: null -> /etc/p
        .sni c.example: null -> /etc/c.pem
        .sni b.example: /etc/c.pem -> null
        .alpn: x -> x, y
        """)]
    [TestCase(""" "certificate": "a.pem" """, """ "certificate": "a.pem", "minimumVersion": "1.3", "clientCertificate": "allow", "clientAuthorities": "ca.pem" """, """
        .clientCertificate: None -> Allow
        .clientAuthorities: null -> /etc/ca.pem
        .minimumVersion: 1.2 -> 1.3
        """)]
    public void An_edit_is_told_key_by_key(string before, string after, string expected) => Assert.That(
        ConfigDiff.Lines(Server(before), Server(after)),
        Is.EqualTo(expected.ReplaceLineEndings("\n").Split('\n').Select(line => $"endpoint Echo:1: tls{(line[0] == '.' ? "" : ": ")}{line}")));

    private static TlsConfig Read(string tls) => Server(tls).Endpoints[0].Tls!;

    private static IReadOnlyList<ConfigError> Errors(string tls) => Result(tls).Errors;

    private static ServerConfig Server(string tls)
    {
        var result = Result(tls);
        Assert.That(result.Errors, Is.Empty);
        return result.Config!;
    }

    private static ConfigResult Result(string tls)
    {
        var section = tls.Length == 0 ? "" : $$""", "tls": { {{tls}} }""";
        return ConfigReader.ReadText($$"""{ "endpoints": [ { "port": 1, "plugin": "Echo"{{section}} } ] }""", Path.Combine("/etc", "plugins.json"));
    }
}
