using PluginServer.Administration;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>The verb drain: what is asked of the host, and what its outcome means for people and programs.</summary>
[Platform(Exclude = "Win")]
internal sealed class DrainVerbTests
{
    [Test]
    public async Task The_outcome_is_told_and_is_the_exit_code([Values] bool json)
    {
        await using var face = await AdminFace.StartAsync();
        const string Paused = "it is paused, and clients wait in the backlog until it is resumed";
        foreach (var (outcome, exitCode, text) in new[]
        {
            (new DrainOutcome(3, 1, 0, IsComplete: true), 0, $"endpoint echo was drained: 3 finished, 1 closed, 0 cut; {Paused}"),
            (new DrainOutcome(0, 0, 0, IsComplete: true), 0, $"endpoint echo was drained: 0 finished, 0 closed, 0 cut; {Paused}"),
            (new DrainOutcome(3, 1, 2, IsComplete: true), 3, $"endpoint echo was drained: 3 finished, 1 closed, 2 cut; {Paused}"),
            (new DrainOutcome(3, 1, 0, IsComplete: false), 1, "the drain of endpoint echo was overtaken: it was resumed or removed, or the host stops; until then 3 finished, 1 closed, 0 cut, and nobody else is cut by it"),
            (new DrainOutcome(3, 1, 2, IsComplete: false), 1, "the drain of endpoint echo was overtaken: it was resumed or removed, or the host stops; until then 3 finished, 1 closed, 2 cut, and nobody else is cut by it"),
        })
        {
            face.Drained = outcome;
            var answered = await face.SendAsync(HttpMethod.Post, "/api/endpoints/echo/drain", $"Bearer {face.Token}");
            Assert.That(await (json ? face.VerbAsync("drain", "echo", "--json") : face.VerbAsync("drain", "echo")), Is.EqualTo((exitCode, json ? answered.Body : text + Environment.NewLine, "")));
        }
    }

    [TestCase(null, "default")]
    [TestCase("00:00:00", "00:00:00")]
    [TestCase("00:00:05", "00:00:05")]
    [TestCase("00:00:01.5", "00:00:01.5000000")]
    [TestCase("1.00:00:00", "1.00:00:00")]
    [TestCase("24.00:00:00", "24.00:00:00")]
    public async Task The_time_to_finish_is_passed_on(string? timeout, string asked)
    {
        await using var face = await AdminFace.StartAsync();
        Assert.That((await (timeout is null ? face.VerbAsync("drain", "echo") : face.VerbAsync("drain", "echo", "--timeout", timeout))).ExitCode, Is.Zero);
        Assert.That(face.Asked, Is.EqualTo([$"drain echo {asked}"]));
    }

    [TestCase("30")]
    [TestCase("00:30")]
    [TestCase("soon")]
    [TestCase("")]
    [TestCase("-00:00:05")]
    [TestCase("24.00:00:01")]
    [TestCase(null)]
    public async Task A_time_that_is_none_is_a_usage_error(string? timeout)
    {
        await using var face = await AdminFace.StartAsync();
        var (exitCode, output, error) = await (timeout is null ? face.VerbAsync("drain", "echo", "--timeout") : face.VerbAsync("drain", "echo", $"--timeout={timeout}"));
        Assert.That((exitCode, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.Contain("Usage:").And.Contain("--timeout"));
        if (!string.IsNullOrEmpty(timeout))
        {
            Assert.That(error, Does.StartWith($"--timeout is \"{timeout}\"; it must be a time from 00:00:00 to 24.00:00:00, like 00:00:30\n"));
        }

        Assert.That(face.Asked, Is.Empty);
    }

    [Test]
    public async Task On_a_terminal_it_shows_how_many_are_still_inside()
    {
        await using var face = await AdminFace.StartAsync();
        var (output, error, gate) = (new SharedWriter(), new SharedWriter(), new TaskCompletionSource());
        face.Before = gate.Task;
        var drain = Task.Run(() => CommandLine.InvokeAsync(["drain", "echo", "--config", face.ConfigFile], new CommandContext(output, error, IsTerminal: true)));
        await ShownAsync(output, "\rdraining echo [..............................] 12 inside");
        face.Status = Inside(3);
        await ShownAsync(output, "\rdraining echo [######################........] 3 inside ");
        gate.SetResult();
        Assert.That((await drain.Within(), $"{error}"), Is.EqualTo((0, "")));
        Assert.That($"{output}", Does.EndWith($"\rendpoint echo was drained: 3 finished, 1 closed, 0 cut; it is paused, and clients wait in the backlog until it is resumed{Environment.NewLine}"));
    }

    [TestCase(true, true)]
    [TestCase(false, false)]
    public async Task For_a_program_it_shows_nothing_before_the_outcome(bool isTerminal, bool json)
    {
        await using var face = await AdminFace.StartAsync();
        var (output, gate) = (new SharedWriter(), new TaskCompletionSource());
        face.Before = gate.Task;
        var drain = Task.Run(() => CommandLine.InvokeAsync(["drain", "echo", .. json ? ["--json"] : Array.Empty<string>(), "--config", face.ConfigFile], new CommandContext(output, TextWriter.Null, isTerminal)));
        await Deadline.UntilAsync(() => !face.Asked.IsEmpty, "asked");
        Assert.That($"{output}", Is.Empty);
        gate.SetResult();
        Assert.That(await drain.Within(), Is.Zero);
        Assert.That($"{output}", Does.Not.Contain("\r"));
    }

    [Test]
    public async Task Against_a_host_it_cuts_who_does_not_finish_and_a_resume_ends_it()
    {
        using var workspace = new Workspace().With("Behaviours").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "DeafHandler" } ]""");
        await using var site = await AdminSite.OfAsync(await TestServer.StartAsync(workspace, keep: true));
        using var deaf = await site.Host.ConnectAsync();
        Assert.That(await deaf.ReadLineAsync(), Is.EqualTo("hello"));
        var overtaken = Cli.RunAsync("drain", "test", "--timeout", "1.00:00:00", "--config", workspace.ConfigFile);
        await Deadline.UntilAsync(() => site.Host.Reloader.Status().Endpoints[0].State == "draining", "it drains");
        Assert.That(await Cli.RunAsync("resume", "test", "--config", workspace.ConfigFile).Within(), Is.EqualTo((0, $"endpoint test is listening{Environment.NewLine}", "")));
        var (exitCode, output, error) = await overtaken.Within();
        Assert.That((exitCode, error), Is.EqualTo((1, "")));
        Assert.That(output, Does.StartWith("the drain of endpoint test was overtaken: "));

        Assert.That(await Cli.RunAsync("drain", "test", "--timeout", "00:00:00.1", "--config", workspace.ConfigFile).Within(), Is.EqualTo((3, $"endpoint test was drained: 0 finished, 0 closed, 1 cut; it is paused, and clients wait in the backlog until it is resumed{Environment.NewLine}", "")));
        Assert.That(await deaf.EndsInResetAsync(), Is.True);
        Assert.That((await Cli.RunAsync("status", "--config", workspace.ConfigFile).Within()).Output, Does.StartWith("WRONG:\n  endpoint test: is paused: clients wait in the backlog until it is resumed\n"));
    }

    private static ServerStatus Inside(int connections) => Sample.Status with { Endpoints = [Sample.Status.Endpoints[0] with { ActiveConnections = connections }] };

    private static Task ShownAsync(SharedWriter output, string text) => Deadline.UntilAsync(() => $"{output}".Contains(text, StringComparison.Ordinal), () => $"{text} in {output}");
}
