using System.Net;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using PluginServer.Administration;
using PluginServer.Configuration;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>The HTTP API on its TCP port, and who may use it.</summary>
[Platform(Exclude = "Win")]
[UnsupportedOSPlatform("windows")]
internal sealed class AdminEndpointTests
{
    private static readonly ReloadOutcome Rejection = new(false, 3, [], [new ConfigError("plugins.json", 4, 9, "endpoints[0].port", "70000 is out of range")]);

    [Test]
    public async Task Health_says_alive_always_and_ready_until_a_stop_begins([Values("GET", "HEAD")] string method)
    {
        await using var face = await AdminFace.StartAsync();
        Assert.That((await face.SendAsync(new HttpMethod(method), "/health/live")).Status, Is.EqualTo(200));
        Assert.That((await face.SendAsync(new HttpMethod(method), "/health/ready")).Status, Is.EqualTo(200));
        face.IsReady = false;
        Assert.That((await face.SendAsync(new HttpMethod(method), "/health/live")).Status, Is.EqualTo(200));
        Assert.That((await face.SendAsync(new HttpMethod(method), "/health/ready")).Status, Is.EqualTo(503));
    }

    [Test]
    public async Task Status_has_the_shape_that_programs_rely_on()
    {
        await using var face = await AdminFace.StartAsync();
        var (status, body, response) = await face.SendAsync(HttpMethod.Get, "/api/status");
        Assert.That(status, Is.EqualTo(200));
        Assert.That(response.Content.Headers.ContentType!.MediaType, Is.EqualTo("application/json"));
        Assert.That(Parse(body).ToString(), Is.EqualTo(Parse(Sample.Json(face.Endpoint.TokenFile)).ToString()));
    }

    [Test]
    public async Task Status_has_the_errors_of_a_rejected_file_and_why_a_generation_failed()
    {
        await using var face = await AdminFace.StartAsync();
        face.Status = Sample.Status with { Config = new ConfigStatus("/etc/plugins.json", Applied: false, Rejection.Errors, ["/etc/plugins.json", "/srv/plugins/Echo"]), Plugins = [Sample.Status.Plugins[0] with { LastError = "no", Generations = [new GenerationStatus(1, Sample.Hash, "failed", 0, DateTimeOffset.UnixEpoch, null, null, null, "it throws")] }] };
        var status = Parse((await face.SendAsync(HttpMethod.Get, "/api/status")).Body);
        Assert.That(status["config"]!.ToString(Formatting.None), Is.EqualTo("""{"path":"/etc/plugins.json","state":"rejected","errors":[{"file":"plugins.json","line":4,"column":9,"path":"endpoints[0].port","message":"70000 is out of range"}],"waitsFor":["/etc/plugins.json","/srv/plugins/Echo"]}"""));
        Assert.That((string?)status["plugins"]![0]!["lastError"], Is.EqualTo("no"));
        Assert.That((string?)status["plugins"]![0]!["generations"]![0]!["error"], Is.EqualTo("it throws"));
    }

    [TestCase("127.0.0.1", 200)]
    [TestCase("127.0.0.1:80", 200)]
    [TestCase("localhost:9999", 200)]
    [TestCase("LocalHost", 200)]
    [TestCase("evil.example", 403)]
    [TestCase("localhost.evil.example", 403)]
    [TestCase("127.0.0.1.evil.example:7070", 403)]
    [TestCase("127.0.0.2", 403)]
    [TestCase("[::1]", 403)]
    public async Task A_page_whose_name_was_made_to_point_here_is_refused(string host, int expected)
    {
        await using var face = await AdminFace.StartAsync();
        Assert.That((await face.SendAsync(HttpMethod.Get, "/api/status", host: host)).Status, Is.EqualTo(expected));
        Assert.That((await face.SendAsync(HttpMethod.Get, "/health/live", host: host)).Status, Is.EqualTo(expected));
        Assert.That((await face.SendAsync(HttpMethod.Post, "/api/reload", $"Bearer {face.Token}", host)).Status, Is.EqualTo(expected));
        Assert.That(face.Asked, Has.Count.EqualTo(expected == 200 ? 1 : 0));
    }

    [Test]
    public async Task Answers_are_for_no_page_of_another_origin_and_for_no_cache()
    {
        await using var face = await AdminFace.StartAsync();
        var response = (await face.SendAsync(HttpMethod.Get, "/api/status")).Response;
        var headers = response.Headers.ToDictionary(header => header.Key, header => string.Join(",", header.Value));
        Assert.That(headers, Does.ContainKey("X-Content-Type-Options").WithValue("nosniff"));
        Assert.That(headers, Does.ContainKey("X-Frame-Options").WithValue("DENY"));
        Assert.That(headers["Content-Security-Policy"], Does.Contain("default-src 'none'"));
        Assert.That(headers, Does.ContainKey("Cache-Control").WithValue("no-store"));
        Assert.That(headers.Keys, Has.None.StartsWith("Access-Control").And.None.EqualTo("Server"));
    }

    [Test]
    public async Task What_is_not_a_call_is_refused_and_nothing_happens()
    {
        await using var face = await AdminFace.StartAsync();
        async Task<(int, string?)> RefusedAsync(HttpMethod method, string call)
        {
            var (status, body, _) = await face.SendAsync(method, call, $"Bearer {face.Token}");
            return (status, (string?)Parse(body)["error"]);
        }

        Assert.That(await RefusedAsync(HttpMethod.Get, "/api/reload"), Is.EqualTo((405, "/api/reload is not for GET, only for POST")));
        Assert.That(await RefusedAsync(HttpMethod.Put, "/api/status"), Is.EqualTo((405, "/api/status is not for PUT, only for GET, HEAD")));
        Assert.That(await RefusedAsync(HttpMethod.Get, "/nothing"), Is.EqualTo((404, "there is no call GET /nothing")));
        Assert.That(await RefusedAsync(HttpMethod.Post, "/api/endpoints/echo/dance"), Is.EqualTo((404, "there is no call POST /api/endpoints/echo/dance")));
        using var client = new HttpClient();
        using var request = face.Request(HttpMethod.Post, "/api/reload", $"Bearer {face.Token}");
        request.Content = new ByteArrayContent(new byte[5000]);
        Assert.That((await client.SendAsync(request)).StatusCode, Is.EqualTo(HttpStatusCode.RequestEntityTooLarge));
        Assert.That(face.Asked, Is.Empty);
    }

    [Test]
    public async Task The_token_is_new_each_time_and_its_file_the_users_own()
    {
        await using var face = await AdminFace.StartAsync();
        var first = face.Token;
        Assert.That(first, Does.Match("^[0-9a-f]{64}$"));
        Assert.That(face.Endpoint.TokenFile, Is.EqualTo(Path.Combine(face.StateDirectory, "token")));
        File.SetUnixFileMode(face.Endpoint.TokenFile, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        await face.RestartAsync();
        Assert.That(face.Token, Is.Not.EqualTo(first));
        Assert.That(File.GetUnixFileMode(face.Endpoint.TokenFile), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Test]
    public async Task A_start_is_logged_in_one_line_with_the_address_and_the_tokens_file()
    {
        await using var face = await AdminFace.StartAsync("""{ "port": 0, "address": "::1" }""");
        Assert.That((await face.SendAsync(HttpMethod.Get, "/health/live")).Status, Is.EqualTo(200));
        await face.Endpoint.DisposeAsync();
        Assert.That(face.Log, Is.EqualTo([$"Information 401: Administration listens on http://{face.Endpoint.Address}; the token for its changes is in {face.Endpoint.TokenFile}"]));
    }

    [Test]
    public async Task A_port_in_use_costs_the_port_and_nothing_else()
    {
        using var other = new Socket(SocketType.Stream, ProtocolType.Tcp);
        other.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        other.Listen();
        var port = ((IPEndPoint)other.LocalEndPoint!).Port;
        await using var face = await AdminFace.StartAsync($$"""{ "port": {{port}} }""");
        Assert.That(face.Endpoint.Address, Is.Null);
        Assert.That(face.Log.Single(), Does.Match($"^Warning 402: No administration endpoint: port {port} is in use by pid {Environment.ProcessId} .*control socket"));
        Assert.That((await face.VerbAsync("reload")).ExitCode, Is.Zero);
    }

    [Test]
    public async Task Disabled_it_opens_no_port_while_the_control_socket_works()
    {
        await using var face = await AdminFace.StartAsync("""{ "enabled": false }""");
        Assert.That(face.Endpoint.Address, Is.Null);
        Assert.That(face.Log, Is.Empty);
        Assert.That((await face.VerbAsync("status")).ExitCode, Is.Zero);
    }

    [Test]
    public async Task However_many_follow_by_the_port_the_command_line_is_heard()
    {
        await using var face = await AdminFace.StartAsync();
        var all = new List<EventClient>();
        for (var number = 0; number < AdminConnections.Most; number++)
        {
            all.Add(await EventClient.FollowAsync(face));
        }

        Assert.That(async () => await face.SendAsync(HttpMethod.Get, "/health/live"), Throws.InstanceOf<HttpRequestException>(), "no more than these");
        Assert.That(await face.VerbAsync("pause", "echo"), Is.EqualTo((0, $"endpoint echo is paused{Environment.NewLine}", "")));
        all.ForEach(client => client.Dispose());
        await Deadline.UntilAsync(() => face.Events.Followers == 0, "all have gone");
        await Deadline.UntilAsync(
            async () =>
            {
                try
                {
                    return (await face.SendAsync(HttpMethod.Get, "/health/live")).Status == 200;
                }
                catch (HttpRequestException)
                {
                    return false;
                }
            },
            "there is room again");
    }

    [Test]
    public async Task Two_hosts_in_one_process_have_nothing_in_common()
    {
        await using var one = await AdminFace.StartAsync();
        await using var two = await AdminFace.StartAsync();
        Assert.That((await one.SendAsync(HttpMethod.Post, "/api/reload", $"Bearer {two.Token}")).Status, Is.EqualTo(401));
        Assert.That((await two.SendAsync(HttpMethod.Post, "/api/reload", $"Bearer {two.Token}")).Status, Is.EqualTo(200));
        Assert.That(one.Asked, Is.Empty);
        await one.Endpoint.DisposeAsync();
        Assert.That((await two.SendAsync(HttpMethod.Get, "/health/live")).Status, Is.EqualTo(200));
    }

    private static JObject Parse(string json)
    {
        using var reader = new JsonTextReader(new StringReader(json)) { DateParseHandling = DateParseHandling.None };
        return JObject.Load(reader);
    }
}
