using System.Runtime.Versioning;
using System.Text;
using System.Text.RegularExpressions;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>What was planted in every place where a secret or a payload may be is in nothing that the host says.</summary>
[Platform(Exclude = "Win")]
[UnsupportedOSPlatform("windows")]
internal sealed partial class SecretsTests
{
    private const string Password = "planted-password-5417";
    private const string Payload = "planted-payload-9023";

    [Test]
    public async Task No_password_token_key_or_payload_is_in_a_log_a_status_an_event_or_a_metric()
    {
        using var files = new CertificateFiles();
        var certificate = TestCertificate.Make("localhost", TestCertificate.Authority("Root"));
        files.WritePkcs12("site.pfx", Password, certificate);
        files.Write("password", Password);
        using var workspace = new Workspace().With("Behaviours").Configure($$"""
            [ { "name": "echo", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "EchoHandler" },
              { "name": "faults", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "ThrowingHandler" },
              { "name": "small", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "LineHandler", "readLimit": 1024 },
              { "name": "proxy", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "EchoHandler", "proxyProtocol": "required" },
              { "name": "tls", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "EchoHandler", "tls": { "certificate": "{{files["site.pfx"]}}", "passwordFile": "{{files["password"]}}" } } ]
            """);
        using var host = await HostProcess.StartAsync(workspace, "--log-format", "json");
        var token = (await File.ReadAllTextAsync(Path.Combine(workspace.Root, "state", "token"))).Trim();
        foreach (var endpoint in new[] { "echo", "faults", "small", "proxy", "tls" })
        {
            await PlantAsync(host, endpoint);
        }

        await BreakAndMendAsync(host, workspace, files, certificate);
        var address = AdminAddress().Match(host.Output).Groups[1].Value;
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri(address) };
        foreach (var wrong in new[] { token[..^1], $"{token}0" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/reload");
            request.Headers.TryAddWithoutValidation("Authorization", $"Bearer {wrong}");
            using var refused = await http.SendAsync(request, Deadline.Token);
            Assert.That((int)refused.StatusCode, Is.EqualTo(401));
        }

        var said = new Dictionary<string, string>
        {
            ["metrics"] = await http.GetStringAsync("/metrics", Deadline.Token),
            ["status"] = await http.GetStringAsync("/api/status", Deadline.Token),
            ["connections"] = await http.GetStringAsync("/api/connections", Deadline.Token),
            ["events"] = await EventsAsync(http, "was rejected has been put right"),
        };
        host.Signal("TERM");
        await host.ExitAsync();
        said["log"] = host.Output;
        Assert.That(said["log"], Does.Contain("handler fault").And.Contain("PROXY").And.Contain("rejected"), "all of it has happened");
        Assert.That(said["events"], Does.Contain("\"kind\":\"fault\"").And.Contain("\"kind\":\"rejected\""));
        var key = certificate.KeyPem.Split('\n')[1];
        foreach (var (where, text) in said)
        {
            foreach (var secret in new[] { Password, Payload, Convert.ToBase64String(Encoding.ASCII.GetBytes(Payload)), token, token[..^1], key })
            {
                Assert.That(text, Does.Not.Contain(secret).IgnoreCase, where);
            }
        }

        Assert.That(File.GetUnixFileMode(Path.Combine(workspace.Root, "state")), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute));
        Assert.That(File.GetUnixFileMode(Path.Combine(workspace.Root, "state", "token")), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    /// <summary>Sends the payload to where nobody wants it, too, and waits for the end of it.</summary>
    private static async Task PlantAsync(HostProcess host, string endpoint)
    {
        try
        {
            using var client = await host.ConnectAsync(endpoint);
            await client.SendAsync(string.Concat(Enumerable.Repeat(Payload, 100)));
            client.SendFin();
            _ = await client.ReadToEndAsync();
        }
        catch (Exception error) when (error is System.Net.Sockets.SocketException or IOException)
        {
            // A reset: the answer of most of them.
        }
    }

    private static async Task BreakAndMendAsync(HostProcess host, Workspace workspace, CertificateFiles files, TestCertificate certificate)
    {
        var sound = await File.ReadAllTextAsync(workspace.ConfigFile);
        files.WritePkcs12("site.pfx", "another", certificate);
        await Deadline.UntilAsync(() => host.Output.Contains("\"EventId\":111", StringComparison.Ordinal), "the broken certificate is rejected");
        files.WritePkcs12("site.pfx", Password, certificate);
        await File.WriteAllTextAsync(workspace.ConfigFile, sound.Replace("\"port\"", "\"prot\"", StringComparison.Ordinal));
        await host.CallAsync(HttpMethod.Post, "/api/reload");
        await File.WriteAllTextAsync(workspace.ConfigFile, sound);
        await host.CallAsync(HttpMethod.Post, "/api/reload");
    }

    private static async Task<string> EventsAsync(HttpClient http, string last)
    {
        await using var stream = await http.GetStreamAsync("/api/events", Deadline.Token);
        using var reader = new StreamReader(stream);
        var text = new StringBuilder();
        while (await reader.ReadLineAsync(Deadline.Token) is { } line)
        {
            text.AppendLine(line);
            if (line.Contains(last, StringComparison.Ordinal))
            {
                break;
            }
        }

        return text.ToString();
    }

    [GeneratedRegex(@"Administration listens on (http://[^;]+);")]
    private static partial Regex AdminAddress();
}
