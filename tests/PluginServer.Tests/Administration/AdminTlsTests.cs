using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Text;
using System.Text.RegularExpressions;
using Newtonsoft.Json.Linq;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>Administration that others than this machine can reach: by TLS, and with the token for everything.</summary>
internal sealed class AdminTlsTests
{
    private static readonly string[] Calls = ["/", "/dashboard.js", "/health/live", "/health/ready", "/metrics", "/api/status", "/api/connections", "/api/events"];
    private readonly CertificateFiles _files = new();

    [SetUp]
    public void Fill() => _files.WritePair(TestCertificate.Make("admin.example", hosts: ["*.hosts.example"]));

    [TearDown]
    public void Remove() => _files.Dispose();

    [Test]
    public async Task Every_call_needs_the_token_by_Bearer_or_as_a_password()
    {
        await using var face = await StartAsync();
        foreach (var call in Calls)
        {
            foreach (var wrong in new[] { null, "", $"Bearer {face.Token}0", "Bearer", $"Basic {face.Token}", "Basic", "Basic !", Basic(face.Token, ""), Basic("admin", face.Token[..^1]), Basic("admin", face.Token + ":") })
            {
                var (status, body, response) = await face.SendAsync(HttpMethod.Get, call, wrong);
                Assert.That(status, Is.EqualTo(401), $"{call} with {wrong}");
                Assert.That((string?)JObject.Parse(body)["error"], Is.EqualTo("this call needs the header Authorization: Bearer TOKEN; the token is in the host's state directory"));
                Assert.That(response.Headers.WwwAuthenticate.Select(way => way.Scheme), Is.EqualTo(["Basic", "Bearer"]), "a browser asks a person");
            }

            foreach (var right in new[] { $"Bearer {face.Token}", Basic("admin", face.Token), Basic("", face.Token), Basic("who", face.Token).Replace("Basic", "basic", StringComparison.Ordinal) })
            {
                Assert.That(await StatusAsync(face, call, right), Is.EqualTo(200), $"{call} with {right}");
            }
        }

        Assert.That((await face.SendAsync(HttpMethod.Head, "/health/live")).Status, Is.EqualTo(401));
        Assert.That((await face.VerbAsync("status")).ExitCode, Is.Zero, "the control socket needs none");
    }

    [Test]
    public async Task What_a_browser_sends_by_itself_changes_nothing()
    {
        await using var face = await StartAsync();
        var refused = await face.SendAsync(HttpMethod.Post, "/api/reload", Basic("admin", face.Token));
        Assert.That((refused.Status, refused.Response.Headers.WwwAuthenticate.ToString()), Is.EqualTo((401, "Bearer")));
        Assert.That((await face.SendAsync(HttpMethod.Delete, "/api/connections/7", Basic("admin", face.Token))).Status, Is.EqualTo(401));
        Assert.That(face.Asked, Is.Empty);
        Assert.That((await face.SendAsync(HttpMethod.Post, "/api/reload", $"Bearer {face.Token}")).Status, Is.EqualTo(200));
    }

    [TestCase("admin.example", 200)]
    [TestCase("ADMIN.example:7070", 200)]
    [TestCase("one.hosts.example", 200)]
    [TestCase("127.0.0.1", 200)]
    [TestCase("localhost", 200)]
    [TestCase("evil.example", 403)]
    [TestCase("admin.example.evil.example", 403)]
    [TestCase("two.one.hosts.example", 403)]
    [TestCase("hosts.example", 403)]
    [TestCase("127.0.0.2", 403)]
    public async Task The_name_that_is_asked_for_must_be_one_of_the_certificate(string host, int expected)
    {
        await using var face = await StartAsync();
        Assert.That((await face.SendAsync(HttpMethod.Get, "/api/status", $"Bearer {face.Token}", host)).Status, Is.EqualTo(expected));
    }

    /// <summary>Which only a program sends.</summary>
    [TestCase("")]
    [TestCase("-admin.example-")]
    [TestCase("admin..example")]
    [TestCase("*.hosts.example")]
    [TestCase("_")]
    [TestCase("[::1]")]
    public async Task What_is_no_name_at_all_is_refused_and_no_error_of_the_host(string host)
    {
        await using var face = await StartAsync();
        using var client = await Client.ConnectAsync(new IPEndPoint(IPAddress.Loopback, face.Endpoint.Address!.Port));
        await using var stream = new SslStream(new System.Net.Sockets.NetworkStream(client.Socket), leaveInnerStreamOpen: false, static (_, certificate, _, _) => certificate is not null);
        await stream.AuthenticateAsClientAsync("admin.example");
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"GET /api/status HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {face.Token}\r\nConnection: close\r\n\r\n"), Deadline.Token);
        using var reader = new StreamReader(stream);
        var status = (await reader.ReadLineAsync(Deadline.Token))!.Split(' ')[1];
        Assert.That(int.Parse(status, CultureInfo.InvariantCulture), Is.EqualTo(400).Or.EqualTo(403));
        Assert.That(face.Log, Has.None.StartsWith("Error").And.None.StartsWith("Warning"));
    }

    [Test]
    public async Task Without_TLS_there_is_no_answer()
    {
        await using var face = await StartAsync();
        using var client = AdminFace.Client();
        using var request = new HttpRequestMessage(HttpMethod.Get, face.Origin.Replace("https", "http", StringComparison.Ordinal) + "/health/live");
        request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {face.Token}");
        Assert.That(async () => await client.SendAsync(request, Deadline.Token), Throws.InstanceOf<HttpRequestException>());
        using var raw = await Client.ConnectAsync(new IPEndPoint(IPAddress.Loopback, face.Endpoint.Address!.Port));
        await raw.SendAsync("GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n");
        raw.SendFin();
        byte[] answer;
        try
        {
            answer = await raw.ReadToEndAsync();
        }
        catch (System.Net.Sockets.SocketException)
        {
            answer = [];
        }

        Assert.That(Encoding.ASCII.GetString(answer), Does.Not.Contain("HTTP").And.Not.Contain("live"), "but for an alert");
        Assert.That(face.Log, Has.None.StartsWith("Error").And.None.StartsWith("Warning"));
    }

    [Test]
    public async Task On_loopback_TLS_is_possible_and_reading_needs_no_token()
    {
        await using var face = await StartAsync("127.0.0.1");
        Assert.That(face.Log.Single(), Does.StartWith($"Information 401: Administration listens on https://{face.Endpoint.Address}; the token"));
        Assert.That((await face.SendAsync(HttpMethod.Get, "/api/status")).Status, Is.EqualTo(200));
        Assert.That((await face.SendAsync(HttpMethod.Post, "/api/reload")).Status, Is.EqualTo(401));
        Assert.That((await face.SendAsync(HttpMethod.Post, "/api/reload", $"Bearer {face.Token}")).Status, Is.EqualTo(200));
    }

    [Test]
    public async Task A_renewed_certificate_is_shown_without_a_restart()
    {
        var time = new ManualTime();
        await using var face = await StartAsync(time: time);
        Assert.That(await ShownAsync(face), Is.EqualTo("CN=admin.example"));
        _files.WritePair(TestCertificate.Make("renewed.example"));
        Assert.That(await ShownAsync(face), Is.EqualTo("CN=admin.example"), "for a minute");
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.That(await ShownAsync(face), Is.EqualTo("CN=renewed.example"));
        Assert.That((await face.SendAsync(HttpMethod.Get, "/health/live", $"Bearer {face.Token}", "renewed.example")).Status, Is.EqualTo(200));
        Assert.That((await face.SendAsync(HttpMethod.Get, "/health/live", $"Bearer {face.Token}", "admin.example")).Status, Is.EqualTo(403));

        _files.Write("key.pem", "");
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.That(await ShownAsync(face), Is.EqualTo("CN=renewed.example"));
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.That(await ShownAsync(face), Is.EqualTo("CN=renewed.example"), "and what is wrong is said once");
        var line = face.Log.Single(line => line.StartsWith("Error", StringComparison.Ordinal));
        Assert.That(line, Does.StartWith("Error 406: Administration keeps the certificate that it has: ").And.Contain($"{face.ConfigFile}:1:").And.Contain($"admin.tls.key: {_files["key.pem"]} is empty"));
    }

    [Test]
    public async Task A_host_as_users_start_it_can_be_reached_from_elsewhere()
    {
        using var workspace = new Workspace().With("Echo").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]""");
        var text = await File.ReadAllTextAsync(workspace.ConfigFile);
        await File.WriteAllTextAsync(workspace.ConfigFile, text.Replace("\"admin\": { \"port\": 0 }", $$"""
            "admin": { "port": 0, "address": "*", "tls": { "certificate": "{{_files["cert.pem"]}}", "key": "{{_files["key.pem"]}}" } }
            """, StringComparison.Ordinal));
        using var host = await HostProcess.StartAsync(workspace);
        var listens = Regex.Match(host.Output, @"Administration listens on https://\S+:(\d+); ");
        Assert.That(listens.Success, Is.True, host.Output);
        using var client = AdminFace.Client();
        var health = new Uri($"https://127.0.0.1:{listens.Groups[1].Value}/health/ready");
        Assert.That((int)(await client.GetAsync(health, Deadline.Token)).StatusCode, Is.EqualTo(401));
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", $"Bearer {(await File.ReadAllTextAsync(Path.Combine(workspace.Root, "state", "token"))).Trim()}");
        Assert.That((int)(await client.GetAsync(health, Deadline.Token)).StatusCode, Is.EqualTo(200));
        host.Signal("TERM");
        Assert.That(await host.ExitAsync(), Is.Zero);
    }

    [Test]
    public async Task A_certificate_near_its_end_is_a_problem()
    {
        _files.WritePair(TestCertificate.Make("admin.example", until: 5));
        await using var face = await StartAsync();
        var problem = JObject.Parse((await face.SendAsync(HttpMethod.Get, "/api/status", $"Bearer {face.Token}")).Body)["problems"]!.Last!;
        Assert.That((string?)problem["kind"], Is.EqualTo("certificate"));
        Assert.That((string?)problem["text"], Does.StartWith("administration: the certificate of admin.example expires on "));
        Assert.That((await face.VerbAsync("status")).Output, Does.Contain("administration: the certificate of admin.example expires on "));
        Assert.That(face.Log.Last(), Does.StartWith("Warning 407: Administration: the certificate of admin.example in ").And.EndsWith("; renew it"));
    }

    private async Task<AdminFace> StartAsync(string address = "*", TimeProvider? time = null) =>
        await AdminFace.StartAsync($$"""{ "port": 0, "address": "{{address}}", "tls": { "certificate": "{{_files["cert.pem"]}}", "key": "{{_files["key.pem"]}}" } }""", time: time);

    private static async Task<int> StatusAsync(AdminFace face, string call, string authorization)
    {
        using var client = AdminFace.Client();
        using var request = face.Request(HttpMethod.Get, call, authorization);
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Deadline.Token);
        return (int)response.StatusCode;
    }

    private static async Task<string> ShownAsync(AdminFace face)
    {
        using var client = await Client.ConnectAsync(new IPEndPoint(IPAddress.Loopback, face.Endpoint.Address!.Port));
        await using var stream = new SslStream(new System.Net.Sockets.NetworkStream(client.Socket), leaveInnerStreamOpen: false, static (_, certificate, _, _) => certificate is not null);
        await stream.AuthenticateAsClientAsync("admin.example");
        return stream.RemoteCertificate!.Subject;
    }

    private static string Basic(string name, string password) => $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{name}:{password}"))}";
}
