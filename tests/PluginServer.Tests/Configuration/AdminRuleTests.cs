using PluginServer.Configuration;

namespace PluginServer.Tests.Configuration;

/// <summary>Where administration may listen without TLS: where nobody else is.</summary>
internal sealed class AdminRuleTests
{
    [TestCase("*")]
    [TestCase("0.0.0.0")]
    [TestCase("::")]
    [TestCase("192.0.2.1")]
    [TestCase("2001:db8::1")]
    [TestCase("::ffff:192.0.2.1")]
    public void Off_loopback_it_needs_TLS(string address)
    {
        var admin = $"\"address\": \"{address}\"";
        Assert.That(Read(admin).Errors.Select(error => error.ToString()), Is.EqualTo(["/etc/plugins.json:1:25: admin.address: off loopback the administration endpoint needs TLS; add \"tls\" with a certificate beside it, or use an address in \"127.0.0.0/8\" or \"::1\""]));
        Assert.That(Read($"{admin}, \"enabled\": false").Errors, Has.Count.EqualTo(1), "it may be enabled tomorrow");
        Assert.That(Read($"{admin}, \"tls\": null").Config, Is.Null);
        var config = Read($"{admin}, \"tls\": {{ \"certificate\": \"a.pem\" }}").Config!;
        Assert.That((config.Admin.IsLocal, config.Admin.Tls!.Certificate.File), Is.EqualTo((false, "/etc/a.pem")));
    }

    [TestCase("127.0.0.1")]
    [TestCase("127.0.0.2")]
    [TestCase("::1")]
    [TestCase("::ffff:127.0.0.1")]
    public void On_loopback_it_does_not(string address)
    {
        var config = Read($"\"address\": \"{address}\"").Config!;
        Assert.That((config.Admin.IsLocal, config.Admin.Tls), Is.EqualTo((true, (TlsConfig?)null)));
    }

    [Test]
    public void What_is_no_address_is_said_once() => Assert.That(Read("\"address\": \"everywhere\"").Errors.Select(error => error.Path), Is.EqualTo(["admin.address"]));

    [Test]
    public void Its_TLS_obeys_the_rules_of_every_other() => Assert.That(
        Read("\"address\": \"*\", \"tls\": { \"certificate\": \"a.pem\", \"key\": \"a.key\", \"passwordFile\": \"p\" }").Errors.Select(error => error.Path),
        Is.EqualTo(["admin.tls.passwordFile"]));

    private static ConfigResult Read(string admin) =>
        ConfigReader.ReadText($$"""{ "admin": { {{admin}} }, "endpoints": [ { "port": 1, "plugin": "Echo" } ] }""", Path.Combine("/etc", "plugins.json"));
}
