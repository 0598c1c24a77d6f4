using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>Certificates change while the host serves: what is valid is shown from the next handshake on, what is not changes nothing else.</summary>
internal sealed class RenewalTests
{
    private readonly CertificateFiles _files = new();
    private readonly Workspace _workspace = new();

    [SetUp]
    public void Fill()
    {
        _files.WritePair(TestCertificate.Make("one.example"));
        _workspace.With("Swap").Version("one");
        Configure();
    }

    [TearDown]
    public void Remove() => _files.Dispose();

    [Test]
    public async Task A_renewed_certificate_is_shown_from_the_next_handshake_on()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        Assert.That(Shown(server), Is.EqualTo("CN=one.example"));
        Assert.That(server.Endpoint("plain").Credentials, Is.Null);
        var held = server.Endpoint().Credentials!.Select(null);

        _files.WritePair(TestCertificate.Make("two.example", until: 50));
        var outcome = await server.Reloader.FilesChangedAsync().Within();
        Assert.That(outcome.Errors, Is.Empty);
        Assert.That(outcome.Changes, Is.EqualTo([$"endpoint test: certificate of two.example renewed, valid until {DateTime.UtcNow.AddDays(50):yyyy-MM-dd}"]));
        Assert.That((Shown(server), outcome.Revision), Is.EqualTo(("CN=two.example", 2)));
        Assert.That(held.ServerCertificateContext!.TargetCertificate.Subject, Is.EqualTo("CN=one.example"), "a handshake under way ends as it began");

        // Nothing has changed since.
        var again = await server.Reloader.ReloadAsync().Within();
        Assert.That((again.Accepted, again.Changes.Count, again.Revision), Is.EqualTo((true, 0, 2)));
    }

    [Test]
    public async Task Nearing_expiry_is_warned_of_every_day_until_the_renewal()
    {
        var time = new ManualTime();
        _files.WritePair(TestCertificate.Make("one.example", until: 17));
        await using var server = await TestServer.StartAsync(_workspace, time);
        string[] Warnings() => [.. server.Log.Where(line => line.EndsWith("renew it", StringComparison.Ordinal))];
        time.Pass(TimeSpan.FromDays(2));
        Assert.That(Warnings(), Is.Empty, "15 days to go");
        time.Pass(TimeSpan.FromDays(3));
        Assert.That(Warnings(), Has.Length.EqualTo(3).And.All.Match(@"^Warning \d+: Endpoint test: the certificate of one\.example expires on \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ; renew it$"));
        time.Pass(TimeSpan.FromDays(13));
        Assert.That(Warnings()[^1], Does.Contain("expired on"));
        var before = Warnings().Length;
        _files.WritePair(TestCertificate.Make("one.example", until: 100));
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Errors, Is.Empty);
        time.Pass(TimeSpan.FromDays(3));
        Assert.That(Warnings(), Has.Length.EqualTo(before));
    }

    [TestCase("half")]
    [TestCase("only the certificate")]
    [TestCase("missing")]
    [TestCase("expired")]
    public async Task A_broken_one_is_reported_once_and_the_old_one_goes_on_until_a_file_changes_again(string trouble)
    {
        await using var server = await TestServer.StartAsync(_workspace);
        var next = TestCertificate.Make("two.example");
        var at = trouble == "only the certificate" ? "key.pem" : "cert.pem";
        switch (trouble)
        {
            case "half":
                _files.Write("cert.pem", next.Pem[..200]);
                break;
            case "only the certificate":
                _files.Write("cert.pem", next.Pem);
                break;
            case "missing":
                File.Delete(_files["cert.pem"]);
                break;
            case "expired":
                _files.WritePair(TestCertificate.Make("old.example", until: -1));
                break;
        }

        var refused = await server.Reloader.FilesChangedAsync().Within();
        Assert.That((refused.Accepted, refused.Revision), Is.EqualTo((false, 1)));
        Assert.That(refused.Errors.Single().ToString(), Does.StartWith($"{_workspace.ConfigFile}:5:").And.Contain($"endpoints[0].tls.{(at == "key.pem" ? "key" : "certificate")}: ").And.Contain(_files[at]));
        Assert.That(Shown(server), Is.EqualTo("CN=one.example"));
        var status = server.Reloader.Status().Config;
        Assert.That((status.Applied, status.Errors.Count), Is.EqualTo((false, 1)));
        Assert.That(status.WaitsFor, Is.EqualTo(new[] { _workspace.ConfigFile, _files["cert.pem"], _files["key.pem"] }));

        // Something else has changed: it is as wrong as it was, and has been said.
        _workspace.Version("two");
        var other = await server.Reloader.FilesChangedAsync().Within();
        Assert.That((other.Accepted, other.Errors.Count), Is.EqualTo((true, 0)));
        Assert.That(other.Changes.Single(), Does.StartWith("plugin Swap: generation 1 -> "));
        Assert.That(server.Reloader.Status().Config.Errors, Has.Count.EqualTo(1));
        Assert.That(server.Log.Count(line => line.StartsWith("Error 111", StringComparison.Ordinal)), Is.EqualTo(1));

        // Who asks is told again.
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Has.Count.EqualTo(1));

        _files.WritePair(next);
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Changes.Single(), Does.StartWith("endpoint test: certificate of two.example renewed, valid until "));
        Assert.That(Shown(server), Is.EqualTo("CN=two.example"));
        Assert.That(server.Reloader.Status().Config.Applied, Is.True);
    }

    [Test]
    public async Task A_broken_certificate_keeps_neither_a_swap_nor_another_edit_from_being_applied()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        _files.Write("cert.pem", "");
        _workspace.Version("two");
        Configure(more: ", \"maxConnections\": 7", plainMore: ", \"maxConnections\": 8");
        var outcome = await server.Reloader.FilesChangedAsync().Within();
        Assert.That(outcome.Errors.Single().Message, Does.Contain($"{_files["cert.pem"]} is empty"));
        Assert.That(outcome.Changes, Has.Count.EqualTo(3));
        Assert.That((server.Endpoint().Places.Limit, server.Endpoint("plain").Places.Limit, Shown(server)), Is.EqualTo((7, 8, "CN=one.example")));
        using var client = await server.ConnectAsync("plain");
        await client.SendAsync("ping\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("two ping"));
    }

    [Test]
    public async Task A_broken_plugin_keeps_no_certificate_from_being_renewed()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        await File.WriteAllTextAsync(Path.Combine(_workspace.PluginFolder("Swap"), "Swap.dll"), "");
        _files.WritePair(TestCertificate.Make("two.example"));
        var outcome = await server.Reloader.FilesChangedAsync().Within();
        Assert.That(outcome.Errors.Single().Message, Does.Contain("Swap.dll is empty"));
        Assert.That(Shown(server), Is.EqualTo("CN=two.example"));
    }

    [Test]
    public async Task A_broken_plugins_json_keeps_no_certificate_from_being_renewed()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        await File.WriteAllTextAsync(_workspace.ConfigFile, "{");
        _files.WritePair(TestCertificate.Make("two.example"));
        var outcome = await server.Reloader.FilesChangedAsync().Within();
        Assert.That(outcome.Errors, Has.Count.EqualTo(1));
        Assert.That(Shown(server), Is.EqualTo("CN=two.example"));
    }

    [Test]
    public async Task An_edit_to_other_files_waits_for_them_and_the_endpoint_keeps_its_own()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        Configure("new.pem");
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Errors.Single().Message, Does.Contain($"there is no file {_files["new.pem"]}"));
        Assert.That(Shown(server), Is.EqualTo("CN=one.example"));
        Assert.That(server.Reloader.Status().Config.WaitsFor, Does.Contain(_files["new.pem"]));

        var next = TestCertificate.Make("two.example");
        _files.Write("new.pem", next.Pem);
        _files.Write("key.pem", next.KeyPem);
        var outcome = await server.Reloader.FilesChangedAsync().Within();
        Assert.That(outcome.Errors, Is.Empty);
        Assert.That(outcome.Changes[0], Is.EqualTo($"endpoint test: tls.certificate: {_files["cert.pem"]} -> {_files["new.pem"]}"));
        Assert.That(Shown(server), Is.EqualTo("CN=two.example"));
    }

    [Test]
    public async Task A_plain_endpoint_stays_plain_until_its_certificate_is_there_and_can_be_made_plain_again()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        Configure(plainMore: Section("new.pem"));
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Errors, Has.Count.EqualTo(1));
        Assert.That(server.Endpoint("plain").Credentials, Is.Null);

        File.Copy(_files["cert.pem"], _files["new.pem"]);
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Changes, Is.EqualTo([$"endpoint plain: tls: null -> {_files["new.pem"]}"]));
        Assert.That(server.Endpoint("plain").Credentials, Is.Not.Null);

        Configure();
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Changes, Is.EqualTo([$"endpoint plain: tls: {_files["new.pem"]} -> null"]));
        Assert.That(server.Endpoint("plain").Credentials, Is.Null);
    }

    [Test]
    public async Task A_new_endpoint_with_a_broken_certificate_is_left_out_and_the_rest_of_the_edit_applied()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        Configure(more: ", \"maxConnections\": 7", third: Section("new.pem"));
        var outcome = await server.Reloader.FilesChangedAsync().Within();
        Assert.That(outcome.Errors.Single().Path, Is.EqualTo("endpoints[2].tls.certificate"));
        Assert.That((server.Server.Endpoints.Count(), server.Endpoint().Places.Limit), Is.EqualTo((2, 7)));

        File.Copy(_files["cert.pem"], _files["new.pem"]);
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Changes, Is.EqualTo(["endpoint third added on 127.0.0.1:0"]));
        Assert.That(server.Endpoint("third").Credentials, Is.Not.Null);
    }

    [Test]
    public async Task Where_an_endpoint_is_to_move_and_its_certificate_is_broken_the_old_one_stays()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        Configure(name: "moved", certificate: "new.pem", plainMore: ", \"maxConnections\": 8");
        var outcome = await server.Reloader.FilesChangedAsync().Within();
        Assert.That(outcome.Errors.Single().Message, Does.Contain($"there is no file {_files["new.pem"]}"));
        Assert.That(server.Server.Endpoints.Select(endpoint => endpoint.Name), Is.EqualTo(["test", "plain"]));
        Assert.That(server.Endpoint("plain").Places.Limit, Is.EqualTo(10_000), "the edit waits as a whole");

        File.Copy(_files["cert.pem"], _files["new.pem"]);
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Errors, Is.Empty);
        Assert.That(server.Server.Endpoints.Select(endpoint => endpoint.Name), Is.EqualTo(["moved", "plain"]));
    }

    [Test]
    public async Task A_rollback_leaves_the_certificates_alone()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        _workspace.Version("two");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        var before = server.Endpoint().Credentials;
        _files.Write("cert.pem", "");
        Assert.That((await server.Reloader.RollbackAsync("Swap").Within()).Errors, Is.Empty);
        Assert.That(server.Endpoint().Credentials, Is.SameAs(before));
    }

    [Test]
    public async Task At_the_start_every_certificate_must_be_usable()
    {
        _files.Write("key.pem", "");
        Configure(plainMore: Section("new.pem"));
        Assert.That(
            async () => await TestServer.StartAsync(_workspace),
            Throws.InstanceOf<StartException>().With.Message.Contains($"{_files["key.pem"]} is empty").And.Message.Contains($"there is no file {_files["new.pem"]}"));

        // Nothing is left that would keep a start from succeeding.
        _files.WritePair(TestCertificate.Make("one.example"));
        Configure();
        await using var server = await TestServer.StartAsync(_workspace);
        server.Server.LogServing();
        Assert.That(server.Log, Has.Some.StartsWith("Information 221: Endpoint test speaks TLS: one.example valid until "));
    }

    [Test]
    public async Task What_is_to_be_warned_of_is_said_once_and_again_when_it_has_changed()
    {
        _files.WritePair(TestCertificate.Make("one.example", until: 3));
        await using var server = await TestServer.StartAsync(_workspace);
        int Warnings() => server.Log.Count(line => line.StartsWith("Warning 222: Endpoint test: the certificate of ", StringComparison.Ordinal));
        Assert.That(Warnings(), Is.EqualTo(1));
        await server.Reloader.ReloadAsync().Within();
        _workspace.Version("two");
        await server.Reloader.ReloadAsync().Within();
        Assert.That(Warnings(), Is.EqualTo(1));
        _files.WritePair(TestCertificate.Make("one.example", until: 4));
        await server.Reloader.ReloadAsync().Within();
        Assert.That(Warnings(), Is.EqualTo(2));
    }

    [Test]
    public async Task A_change_of_the_file_is_enough()
    {
        await using var server = await TestServer.StartAsync(_workspace, watch: true);
        _files.WritePair(TestCertificate.Make("two.example"));
        await Deadline.UntilAsync(() => Shown(server) == "CN=two.example", "the renewed certificate is shown");
        Assert.That(server.Reloader.Status().Config.Applied, Is.True);
    }

    private static string Shown(TestServer server) => server.Endpoint().Credentials!.Select(null).ServerCertificateContext!.TargetCertificate.Subject;

    private string Section(string certificate) => $$""", "tls": { "certificate": "{{_files[certificate]}}", "key": "{{_files["key.pem"]}}" }""";

    private void Configure(string certificate = "cert.pem", string name = "test", string more = "", string plainMore = "", string? third = null)
    {
        string Endpoint(string name, string more) => $$"""{ "name": "{{name}}", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler"{{more}} }""";
        _workspace.Configure($"[ {Endpoint(name, Section(certificate) + more)},\n {Endpoint("plain", plainMore)}{(third is null ? "" : $", {Endpoint("third", third)}")} ]");
    }
}
