using System.Net.Sockets;
using System.Runtime.Versioning;
using Newtonsoft.Json.Linq;
using PluginServer.Configuration;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>The verbs that talk to a running host, and the control socket between them.</summary>
[Platform(Exclude = "Win")]
[UnsupportedOSPlatform("windows")]
internal sealed class RemoteVerbTests
{
    [Test]
    public async Task Status_shows_endpoints_plugins_and_generations()
    {
        await using var face = await AdminFace.StartAsync();
        var (exitCode, output, error) = await face.VerbAsync("status");
        Assert.That(error, Is.Empty);
        Assert.That(exitCode, Is.Zero);
        Assert.That(output, Does.Contain("PluginServer 1.0.0, pid 4711, since 2026-11-24T12:00:00.500Z, revision 3, /etc/plugins.json"));
        Assert.That(output, Does.Match("(?m)^echo +\\*:7000 +Echo +EchoHandler +2 +listening +12 +900 +3 +4$"));
        Assert.That(output, Does.Match("(?m)^Echo +1\\.0\\.0 +2 +active +0123456789ab +10 +00:03:10 +2026-11-24T12:00:00.500Z$"));
        Assert.That(output, Does.Match("(?m)^Echo +1\\.0\\.0 +3 +leaked +0123456789ab +0 +- +2026"));
        Assert.That(output, Does.Contain("Echo generation 3 leaked: a static event"));
    }

    [Test]
    public async Task Status_leads_with_what_is_wrong()
    {
        await using var face = await AdminFace.StartAsync();
        face.Status = Sample.Status with
        {
            Config = new ConfigStatus("/etc/plugins.json", Applied: false, [new ConfigError("plugins.json", 4, 9, "", "no")], ["/etc/plugins.json", "/srv/plugins/Echo"]),
            Endpoints = [Sample.Status.Endpoints[0] with { Address = "::1" }],
            Problems = [new Problem(Problems.Rejected, null, null, "the present files were rejected: plugins.json:4:9: no"), new Problem(Problems.Error, null, "Echo", "it throws"), new Problem(Problems.Limit, "echo", "Echo", "is full")],
        };
        var output = (await face.VerbAsync("status")).Output;
        Assert.That(output, Does.StartWith("WRONG:\n  the present files were rejected: plugins.json:4:9: no\n  plugin Echo: it throws\n  endpoint echo: is full\n  It is tried again when this changes: /etc/plugins.json, /srv/plugins/Echo\nPluginServer 1.0.0").And.Contain("[::1]:7000"));
        face.Status = Sample.Status with { Problems = [], Ready = false };
        Assert.That((await face.VerbAsync("status")).Output, Does.StartWith("Nothing is wrong.\nPluginServer 1.0.0").And.Contain("/etc/plugins.json, stopping\n"));
    }

    [Test]
    public async Task Status_json_is_what_the_API_answers()
    {
        await using var face = await AdminFace.StartAsync();
        var (exitCode, output, _) = await face.VerbAsync("status", "--json");
        Assert.That(exitCode, Is.Zero);
        Assert.That(output, Is.EqualTo((await face.SendAsync(HttpMethod.Get, "/api/status")).Body));
        Assert.That(JObject.Parse(output)["tokenFile"]!.ToString(), Is.EqualTo(face.Endpoint.TokenFile));
    }

    [Test]
    public async Task Reload_waits_and_prints_each_change()
    {
        await using var face = await AdminFace.StartAsync();
        var gate = new TaskCompletionSource();
        face.Before = gate.Task;
        face.Outcome = new ReloadOutcome(true, 4, ["one", "two"], []);
        var verb = face.VerbAsync("reload");
        await Deadline.UntilAsync(() => !face.Asked.IsEmpty, "the host was asked");
        Assert.That(verb.IsCompleted, Is.False);
        gate.SetResult();
        Assert.That(await verb, Is.EqualTo((0, $"one{Environment.NewLine}two{Environment.NewLine}", "")));
    }

    [TestCase("reload")]
    [TestCase("rollback", "Echo")]
    public async Task Nothing_to_do_is_said(params string[] verb)
    {
        await using var face = await AdminFace.StartAsync();
        face.Outcome = new ReloadOutcome(true, 3, [], []);
        Assert.That(await face.VerbAsync(verb), Is.EqualTo((0, $"nothing changed{Environment.NewLine}", "")));
        Assert.That(face.Asked, Is.EqualTo([string.Join(' ', verb)]));
    }

    [TestCase("reload")]
    [TestCase("rollback", "Echo")]
    public async Task A_rejection_prints_every_error_and_exits_1(params string[] verb)
    {
        await using var face = await AdminFace.StartAsync();
        var errors = new[] { new ConfigError("plugins.json", 4, 9, "endpoints[0].port", "no"), new ConfigError("plugins.json", 1, 1, "", "nor this") };
        face.Outcome = new ReloadOutcome(false, 3, [], errors);
        Assert.That(await face.VerbAsync(verb), Is.EqualTo((1, "", string.Concat(errors.Select(error => error + Environment.NewLine)))));
    }

    [Test]
    public async Task A_name_that_is_no_plugins_does_not_reach_another_call()
    {
        await using var face = await AdminFace.StartAsync();
        Assert.That((await face.VerbAsync("rollback", "..")).ExitCode, Is.EqualTo(1));
        Assert.That((await face.VerbAsync("rollback", "a/b?c")).ExitCode, Is.Zero);
        Assert.That(face.Asked, Is.EqualTo(["rollback a%2Fb?c"]));
    }

    [TestCase("status")]
    [TestCase("status", "--json")]
    [TestCase("status", "--watch")]
    [TestCase("status", "--watch", "--json")]
    [TestCase("reload")]
    [TestCase("reload", "--json")]
    [TestCase("rollback", "Echo")]
    [TestCase("pause", "echo")]
    [TestCase("pause", "echo", "--json")]
    [TestCase("resume", "echo")]
    [TestCase("drain", "echo")]
    [TestCase("drain", "echo", "--timeout", "00:00:01", "--json")]
    public async Task Without_a_host_a_verb_says_where_it_looked_and_exits_4(params string[] verb)
    {
        using var workspace = new Workspace().Configure("[]");
        var expected = $"no host answers at {workspace.Root}/state/control.sock; is one running with this configuration?{Environment.NewLine}";
        Assert.That(await Cli.RunAsync([.. verb, "--config", workspace.ConfigFile]).Within(), Is.EqualTo((4, "", expected)));
    }

    [Test]
    public async Task The_socket_of_a_host_that_died_answers_nobody_and_makes_way_for_the_next()
    {
        await using var face = await AdminFace.StartAsync();
        var path = Path.Combine(face.StateDirectory, "control.sock");
        await face.Endpoint.DisposeAsync();
        Assert.That(path, Does.Not.Exist, "a stop leaves none behind");
        using (var dead = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            dead.Bind(new UnixDomainSocketEndPoint(path));
            Assert.That((await face.VerbAsync("status")).ExitCode, Is.EqualTo(4));
            await face.RestartAsync();
            Assert.That((await face.VerbAsync("status")).ExitCode, Is.Zero);
        }
    }

    [Test]
    public async Task A_host_that_ends_before_it_answers_is_told_from_none()
    {
        using var workspace = new Workspace().Configure("[]");
        Directory.CreateDirectory(Path.Combine(workspace.Root, "state"));
        using var host = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        host.Bind(new UnixDomainSocketEndPoint(Path.Combine(workspace.Root, "state", "control.sock")));
        host.Listen();
        var verb = Cli.RunAsync("reload", "--config", workspace.ConfigFile);
        using (var connection = await host.AcceptAsync(Deadline.Token))
        {
            // Closed with the request unread, which the other side sees as a reset.
            await Deadline.UntilAsync(() => connection.Available > 0, "the request is there");
        }

        var (exitCode, _, error) = await verb.Within();
        Assert.That(exitCode, Is.EqualTo(4));
        Assert.That(error, Does.Contain("broke off before it answered"));
    }

    [Test]
    public async Task The_control_socket_is_the_users_own()
    {
        await using var face = await AdminFace.StartAsync();
        Assert.That(File.GetUnixFileMode(Path.Combine(face.StateDirectory, "control.sock")), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Test]
    public async Task A_state_directory_too_deep_for_a_socket_is_none_for_its_host([Values(0, 1, 150)] int beyond)
    {
        // The root of the workspace and the socket's name are part of the limit of 107.
        using var probe = new Workspace();
        var length = 107 + beyond - probe.Root.Length - "//control.sock".Length;
        var state = new string('d', Math.Min(length, 100)) + (length > 100 ? "/" + new string('e', length - 101) : "");
        await using var face = await AdminFace.StartAsync(state: state);
        Assert.That(Path.Combine(face.StateDirectory, "control.sock"), Has.Length.EqualTo(107 + beyond));
        Assert.That((await face.VerbAsync("reload")).Error, Is.Empty);
        Assert.That(face.Asked, Is.EqualTo(["reload"]));
        Assert.That(File.GetUnixFileMode(Path.Combine(face.StateDirectory, "control.sock")), Is.EqualTo(UnixFileMode.UserRead | UnixFileMode.UserWrite));
        await face.Endpoint.DisposeAsync();
        Assert.That(Directory.EnumerateFileSystemEntries(face.StateDirectory).Select(Path.GetFileName), Is.EqualTo(["token"]));
    }

    [TestCase("{ \"stateDirectory\": \"state\", \"endpoints\": [ { \"port\": 70000 } ] }")]
    [TestCase("{ /* here */ \"plugins\": { \"stateDirectory\": \"no\" }, \"stateDirectory\": \"state\", \"endpoints\": [ { \"port\"")]
    public async Task A_broken_file_still_tells_where_its_host_is(string text)
    {
        await using var face = await AdminFace.StartAsync();
        await File.WriteAllTextAsync(face.ConfigFile, text);
        Assert.That((await face.VerbAsync("status")).Error, Is.Empty);
        Assert.That((await face.VerbAsync("reload")).ExitCode, Is.Zero);
    }

    [TestCase("nonsense")]
    [TestCase("")]
    [TestCase(null)]
    public async Task A_file_that_tells_nothing_leaves_the_default_beside_it(string? text)
    {
        await using var face = await AdminFace.StartAsync(state: ".plugin-server");
        File.Delete(face.ConfigFile);
        if (text is not null)
        {
            await File.WriteAllTextAsync(face.ConfigFile, text);
        }

        Assert.That((await face.VerbAsync("status")).ExitCode, Is.Zero);
    }

    [Test]
    public async Task A_host_that_fails_at_a_call_is_told_from_none()
    {
        await using var face = await AdminFace.StartAsync();
        face.Before = Task.FromException(new InvalidOperationException("broken"));
        var (exitCode, _, error) = await face.VerbAsync("reload");
        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(error, Does.Contain("the host answered 500 to /api/reload"));
        Assert.That(face.Log.Single(line => line.StartsWith("Error", StringComparison.Ordinal)), Does.Contain("unhandled exception"));
    }
}
