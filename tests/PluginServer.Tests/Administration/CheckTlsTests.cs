using Newtonsoft.Json.Linq;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary><c>check</c> reads every certificate, and <c>run</c> refuses with the same words.</summary>
internal sealed class CheckTlsTests
{
    private readonly CertificateFiles _files = new();
    private readonly Workspace _workspace = new();

    [SetUp]
    public void Fill()
    {
        _files.WritePair(TestCertificate.Make("www.example.org", until: 5));
        _workspace.With("Echo").Configure($$"""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo", "tls": { "certificate": "{{_files["cert.pem"]}}", "key": "{{_files["key.pem"]}}" } } ]""");
    }

    [TearDown]
    public void Remove()
    {
        _files.Dispose();
        _workspace.Dispose();
    }

    [Test]
    public async Task What_is_shown_and_what_is_to_be_warned_of_is_listed()
    {
        var (exitCode, output, error) = await Cli.RunAsync("check", "--config", _workspace.ConfigFile);
        Assert.That((exitCode, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.Contain($"\nTLS of test: www.example.org valid until {DateTime.UtcNow.AddDays(5):yyyy-MM-dd}\n"));
        Assert.That(output, Does.Contain($"\nwarning: endpoint test: the certificate of www.example.org in {_files["cert.pem"]} expires on "));
        var json = JObject.Parse((await Cli.RunAsync("check", "--json", "--config", _workspace.ConfigFile)).Output);
        Assert.That((string?)json["endpoints"]![0]!["certificates"], Does.StartWith("www.example.org valid until "));
        Assert.That((string?)json["warnings"]![0]!["endpoint"], Is.EqualTo("test"));
        Assert.That((string?)json["warnings"]![0]!["message"], Does.EndWith("; renew it"));
    }

    [Test]
    public async Task What_is_to_be_warned_of_in_the_administration_endpoint_is_listed()
    {
        var text = await File.ReadAllTextAsync(_workspace.ConfigFile);
        await File.WriteAllTextAsync(_workspace.ConfigFile, text.Replace("\"admin\": { \"port\": 0 }", $$"""
            "admin": { "port": 0, "tls": { "certificate": "{{_files["cert.pem"]}}", "key": "{{_files["key.pem"]}}" } }
            """, StringComparison.Ordinal));
        var (exitCode, output, _) = await Cli.RunAsync("check", "--config", _workspace.ConfigFile);
        Assert.That(exitCode, Is.Zero);
        Assert.That(output, Does.Contain($"\nwarning: administration: the certificate of www.example.org in {_files["cert.pem"]} expires on "));
        var json = JObject.Parse((await Cli.RunAsync("check", "--json", "--config", _workspace.ConfigFile)).Output);
        Assert.That(json["warnings"]![1]!["endpoint"]!.Type, Is.EqualTo(JTokenType.Null));
        Assert.That((string?)json["warnings"]![1]!["message"], Does.StartWith("the certificate of www.example.org in "));
    }

    [Test]
    public async Task Errors_of_plugins_and_of_certificates_come_together_and_a_start_is_refused_with_them()
    {
        _files.Write("key.pem", TestCertificate.Make("other").KeyPem);
        await File.WriteAllTextAsync(Path.Combine(_workspace.PluginFolder("Echo"), "Echo.dll"), "");
        var check = await Cli.RunAsync("check", "--config", _workspace.ConfigFile);
        Assert.That(check.ExitCode, Is.EqualTo(1));
        var lines = check.Error.TrimEnd().Split('\n');
        Assert.That(lines, Has.Length.EqualTo(2));
        Assert.That(lines[0], Does.Contain("Echo.dll is empty"));
        Assert.That(lines[1], Does.Match($"^{_workspace.ConfigFile}:5:[0-9]+: endpoints\\[0\\]\\.tls\\.key: the key in {_files["key.pem"]} .* does not belong to the certificate in {_files["cert.pem"]}"));
        var json = JObject.Parse((await Cli.RunAsync("check", "--json", "--config", _workspace.ConfigFile)).Output);
        Assert.That(json["errors"]!.Select(error => (string?)error["path"]), Is.EqualTo(["endpoints[0].plugin", "endpoints[0].tls.key"]));
        var run = await Cli.RunAsync("run", "--config", _workspace.ConfigFile).Within();
        Assert.That((run.ExitCode, run.Error), Is.EqualTo((1, check.Error)));
    }

    [Test]
    public async Task The_certificate_of_the_administration_endpoint_must_be_usable_too([Values] bool isThere)
    {
        var text = await File.ReadAllTextAsync(_workspace.ConfigFile);
        await File.WriteAllTextAsync(_workspace.ConfigFile, text.Replace("\"admin\": { \"port\": 0 }", $$"""
            "admin": { "port": 0, "address": "*",
                "tls": { "certificate": "{{_files[isThere ? "cert.pem" : "admin.pem"]}}", "key": "{{_files["key.pem"]}}" } }
            """, StringComparison.Ordinal));
        var check = await Cli.RunAsync("check", "--config", _workspace.ConfigFile);
        if (isThere)
        {
            Assert.That((check.ExitCode, check.Error), Is.EqualTo((0, "")));
            return;
        }

        Assert.That((check.ExitCode, check.Error), Is.EqualTo((1, $"{_workspace.ConfigFile}:4:29: admin.tls.certificate: there is no file {_files["admin.pem"]}; create it, or correct the name\n")));
        var json = JObject.Parse((await Cli.RunAsync("check", "--json", "--config", _workspace.ConfigFile)).Output);
        Assert.That(json["errors"]!.Select(error => ((string?)error["path"], (int)error["line"]!)), Is.EqualTo([("admin.tls.certificate", 4)]));
        var run = await Cli.RunAsync("run", "--config", _workspace.ConfigFile).Within();
        Assert.That((run.ExitCode, run.Output, run.Error), Is.EqualTo((1, "", check.Error)));
        Assert.That(Directory.Exists(Path.Combine(_workspace.Root, "state")), Is.False, "nothing was begun");
    }

    [TestCase("expired", "certificate", "the certificate of www.example.org in {cert.pem} expired on ", "; renew it")]
    [TestCase("missing", "certificate", "there is no file {cert.pem}; create it, or correct the name", "")]
    [TestCase("missing key", "key", "there is no file {key.pem}; create it, or correct the name", "")]
    [TestCase("no certificate", "certificate", "{cert.pem} ", "")]
    public async Task What_cannot_be_used_is_named_with_its_place(string trouble, string key, string begin, string end)
    {
        switch (trouble)
        {
            case "expired":
                _files.WritePair(TestCertificate.Make("www.example.org", until: -1));
                break;
            case "missing":
                File.Delete(_files["cert.pem"]);
                break;
            case "missing key":
                File.Delete(_files["key.pem"]);
                break;
            default:
                _files.Write("cert.pem", "no certificate");
                break;
        }

        var line = (await File.ReadAllLinesAsync(_workspace.ConfigFile))[4];
        var column = line.IndexOf($"\"{key}\": \"", StringComparison.Ordinal) + key.Length + 5;
        var (exitCode, _, error) = await Cli.RunAsync("check", "--config", _workspace.ConfigFile);
        var expected = begin.Replace("{cert.pem}", _files["cert.pem"], StringComparison.Ordinal).Replace("{key.pem}", _files["key.pem"], StringComparison.Ordinal);
        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(error.TrimEnd(), Does.StartWith($"{_workspace.ConfigFile}:5:{column}: endpoints[0].tls.{key}: {expected}").And.EndWith(end));
        Assert.That(error.TrimEnd(), Does.Not.Contain('\n'));
    }
}
