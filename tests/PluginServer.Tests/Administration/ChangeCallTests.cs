using System.Text;
using Newtonsoft.Json.Linq;
using PluginServer.Configuration;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>The calls that change something: who may, what is asked of the host, and what is answered.</summary>
internal sealed class ChangeCallTests
{
    private const string Names = "Echo:7000 a.b/%/ä/50% & more?#+";

    /// <summary>Call, what the host is asked, what is answered.</summary>
    private static IEnumerable<TestCaseData> Changes()
    {
        const string Applied = """{"accepted":true,"revision":4,"changes":["endpoint echo: maxConnections 10 -> 20"]}""";
        yield return new("POST", "/api/reload", "reload", Applied);
        yield return new("POST", "/api/plugins/Key.Value/rollback", "rollback Key.Value", Applied);
        yield return new("POST", "/api/endpoints/echo/pause", "pause echo", """{"endpoint":"echo","state":"paused"}""");
        yield return new("POST", "/api/endpoints/echo/resume", "resume echo", """{"endpoint":"echo","state":"listening"}""");
        yield return new("POST", "/api/endpoints/echo/drain", "drain echo default", """{"endpoint":"echo","finished":3,"closed":1,"cut":0,"complete":true}""");
        yield return new("POST", "/api/endpoints/echo/drain?timeout=1.00:00:30", "drain echo 1.00:00:30", """{"endpoint":"echo","finished":3,"closed":1,"cut":0,"complete":true}""");
        yield return new("DELETE", "/api/connections/7", "cut 7", """{"id":7,"endpoint":"echo","cut":true}""");
    }

    private static IEnumerable<string> Reads() => ["/", "/dashboard.css", "/dashboard.js", "/health/live", "/health/ready", "/metrics", "/api/status", "/api/connections", "/api/events"];

    [TestCaseSource(nameof(Changes))]
    public async Task Without_the_token_nothing_is_asked_and_with_it_the_host_is(string method, string call, string asked, string answer)
    {
        await using var face = await StartAsync();
        foreach (var wrong in new[] { null, "", "Bearer", "Bearer ", $"Bearer {face.Token}0", $"Bearer {face.Token[..^1]}", $"Bearer {new string('0', 64)}", $"Basic {face.Token}", Basic("admin", face.Token), Basic("", face.Token), face.Token, $"Bearer {face.Token}, Bearer {face.Token}" })
        {
            var (status, body, response) = await face.SendAsync(new HttpMethod(method), call, wrong);
            Assert.That(status, Is.EqualTo(401), wrong);
            Assert.That(response.Headers.WwwAuthenticate.ToString(), Is.EqualTo("Bearer"), "no browser is to ask for a password here");
            Assert.That((string?)JObject.Parse(body)["error"], Is.EqualTo($"this call needs the header Authorization: Bearer TOKEN; the token is in {face.Endpoint.TokenFile}"));
        }

        Assert.That(face.Asked, Is.Empty);
        var accepted = await face.SendAsync(new HttpMethod(method), call, $"bearer {face.Token}");
        Assert.That((accepted.Status, JObject.Parse(accepted.Body).ToString(Newtonsoft.Json.Formatting.None)), Is.EqualTo((200, answer)));
        Assert.That(accepted.Response.Content.Headers.ContentType!.MediaType, Is.EqualTo("application/json"));
        Assert.That(face.Asked, Is.EqualTo([asked]));
    }

    [TestCaseSource(nameof(Changes))]
    public async Task A_page_from_elsewhere_changes_nothing(string method, string call, string asked, string answer)
    {
        _ = (asked, answer);
        await using var face = await StartAsync();
        await AssertRefusedAsync(face, method, call, $"Bearer {face.Token}");
        Assert.That(face.Asked, Is.Empty);
    }

    [Test]
    public async Task A_page_from_elsewhere_reads_nothing([ValueSource(nameof(Reads))] string call)
    {
        await using var face = await StartAsync();
        await AssertRefusedAsync(face, "GET", call, null);
        await AssertRefusedAsync(face, "GET", call, $"Bearer {face.Token}");
    }

    [TestCase("/api/reload")]
    [TestCase("/api/plugins/Echo/rollback")]
    public async Task A_rejected_change_answers_409_with_every_error(string call)
    {
        await using var face = await StartAsync();
        face.Outcome = new ReloadOutcome(false, 3, [], [new ConfigError("plugins.json", 4, 9, "endpoints[0].port", "70000 is out of range")]);
        Assert.That(await AskAsync(face, "POST", call), Is.EqualTo((409, """{"accepted":false,"revision":3,"errors":[{"file":"plugins.json","line":4,"column":9,"path":"endpoints[0].port","message":"70000 is out of range"}]}""")));
    }

    [TestCase("POST", "/api/endpoints/eco/pause", "there is no endpoint eco; there is echo, Echo:7000")]
    [TestCase("POST", "/api/endpoints/eco/resume", "there is no endpoint eco; there is echo, Echo:7000")]
    [TestCase("POST", "/api/endpoints/eco/drain?timeout=00:00:01", "there is no endpoint eco; there is echo, Echo:7000")]
    [TestCase("POST", "/api/endpoints/ECHO/pause", "there is no endpoint ECHO; there is echo, Echo:7000")]
    [TestCase("DELETE", "/api/connections/8", "there is no connection 8, or it has ended")]
    [TestCase("DELETE", "/api/connections/-7", "there is no connection -7, or it has ended")]
    [TestCase("DELETE", "/api/connections/seven", "there is no connection seven, or it has ended")]
    [TestCase("DELETE", "/api/connections/99999999999999999999", "there is no connection 99999999999999999999, or it has ended")]
    public async Task What_is_not_there_answers_404_and_what_there_is(string method, string call, string error)
    {
        await using var face = await StartAsync();
        face.Status = Sample.Status with { Endpoints = [Sample.Status.Endpoints[0], Sample.Status.Endpoints[0] with { Name = "Echo:7000" }] };
        Assert.That(await AskAsync(face, method, call), Is.EqualTo((404, new JObject { ["error"] = error }.ToString(Newtonsoft.Json.Formatting.None))));
    }

    [TestCase("")]
    [TestCase("30")]
    [TestCase("00:30")]
    [TestCase("soon")]
    [TestCase("-00:00:01")]
    [TestCase("00:00:61")]
    [TestCase("24.00:00:01")]
    [TestCase("100.00:00:00")]
    public async Task A_drain_with_no_time_to_go_by_is_refused_before_anything_happens(string timeout)
    {
        await using var face = await StartAsync();
        var expected = new JObject { ["error"] = $"timeout is \"{timeout}\"; it must be a time from 00:00:00 to 24.00:00:00, like 00:00:30" };
        Assert.That(await AskAsync(face, "POST", $"/api/endpoints/echo/drain?timeout={timeout}"), Is.EqualTo((400, expected.ToString(Newtonsoft.Json.Formatting.None))));
        Assert.That(face.Asked, Is.Empty);
    }

    [Test]
    public async Task Names_come_as_they_are_whatever_a_URL_makes_of_them([Values("pause", "resume", "drain")] string verb)
    {
        await using var face = await StartAsync();
        foreach (var name in Names.Split('/'))
        {
            face.Status = Sample.Status with { Endpoints = [Sample.Status.Endpoints[0] with { Name = name }] };
            var (status, json) = await AskAsync(face, "POST", $"/api/endpoints/{Uri.EscapeDataString(name)}/{verb}");
            Assert.That((status, (string?)JObject.Parse(json)["endpoint"]), Is.EqualTo((200, name)));
            Assert.That((await face.VerbAsync(verb, name)).ExitCode, Is.Zero, name);
        }

        Assert.That(face.Asked, Is.EqualTo(Names.Split('/').SelectMany(name => Enumerable.Repeat($"{verb} {name}{(verb == "drain" ? " default" : "")}", 2))));
    }

    [Test]
    public async Task A_drain_goes_on_when_whoever_asked_has_gone()
    {
        var time = new ManualTime();
        await using var site = await AdminSite.OfAsync(await TestServer.StartAsync(
            new Workspace().With("Behaviours").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "DeafHandler" } ]"""),
            time));
        using var inside = await site.Host.ConnectAsync();
        Assert.That(await inside.ReadLineAsync(), Is.EqualTo("hello"));
        using var patience = new CancellationTokenSource();
        var asked = site.SendAsync(HttpMethod.Post, "/api/endpoints/test/drain?timeout=00:00:30", patience.Token);
        await Deadline.UntilAsync(() => time.NextDue == TimeSpan.FromSeconds(30), "the drain is under way");
        await patience.CancelAsync();
        Assert.That(async () => await asked, Throws.InstanceOf<OperationCanceledException>());
        time.Advance(TimeSpan.FromSeconds(30));
        Assert.That(await inside.EndsInResetAsync(), Is.True);
        await Deadline.UntilAsync(() => site.Host.Reloader.Status().Endpoints[0].State == "paused", "it ends paused");
        await Deadline.UntilAsync(() => site.Host.Server.Events.Last.Any(happened => happened.Text == "0 finished, 0 closed, 1 cut"), "and is told of");
    }

    private static async Task<AdminFace> StartAsync()
    {
        var face = await AdminFace.StartAsync();
        face.Connections = [new ConnectionStatus(7, "echo", "127.0.0.1:4711", "Echo", 2, TimeSpan.Zero, null, 1, 2)];
        return face;
    }

    private static async Task<(int Status, string Json)> AskAsync(AdminFace face, string method, string call)
    {
        var (status, body, _) = await face.SendAsync(new HttpMethod(method), call, $"Bearer {face.Token}");
        return (status, JObject.Parse(body).ToString(Newtonsoft.Json.Formatting.None));
    }

    private static async Task AssertRefusedAsync(AdminFace face, string method, string call, string? token)
    {
        var (status, body, _) = await face.SendAsync(new HttpMethod(method), call, token, "evil.example");
        Assert.That(status, Is.EqualTo(403));
        Assert.That((string?)JObject.Parse(body)["error"], Is.EqualTo("the Host header must be 127.0.0.1 or localhost"));
    }

    private static string Basic(string name, string password) => $"Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{name}:{password}"))}";
}
