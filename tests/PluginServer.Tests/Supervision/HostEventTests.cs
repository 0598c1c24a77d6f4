using PluginServer.Diagnostics;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>What a real host tells those who follow it, from its start to its stop.</summary>
internal sealed class HostEventTests
{
    private const string Config = """[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "ObedientHandler" } ]""";

    [Test]
    public async Task A_pause_and_a_resume_are_told_once_each()
    {
        await using var server = await TestServer.StartAsync(new Workspace().With("Behaviours").Configure(Config));
        var running = server.Server.Running.Single();
        running.Resume();
        running.Pause();
        running.Pause();
        running.Resume();
        running.Resume();
        Assert.That(Told(server), Is.EqualTo(["Applied", "Paused test clients wait in the backlog", "Resumed test accepts again"]));
    }

    [Test]
    public async Task A_drain_is_told_with_its_pause_and_its_outcome()
    {
        var time = new ManualTime();
        await using var server = await TestServer.StartAsync(new Workspace().With("Behaviours").Configure(Config), time);
        using var polite = await server.ConnectAsync();
        using var deaf = await server.ConnectAsync();
        await deaf.SendAsync("sleep-until-closed\n");
        Assert.That(await deaf.Socket.ReceiveAsync(new byte[100], Deadline.Token), Is.Positive);
        await Deadline.UntilAsync(() => server.Endpoint().Connections.Count == 2, "both are inside");
        var drain = server.Server.Running.Single().DrainAsync(TimeSpan.FromSeconds(30), CancellationToken.None);
        Assert.That(await polite.ReadToEndAsync(), Is.Empty);
        polite.Dispose();
        await Deadline.UntilAsync(() => server.Endpoint().Connections.Count == 1 && time.NextDue == TimeSpan.FromSeconds(30), "only the deaf one is left");
        Assert.That(Told(server), Is.EqualTo(["Applied", "Paused test clients wait in the backlog"]));
        time.Advance(TimeSpan.FromSeconds(30));
        await drain.Within();
        Assert.That(Told(server)[2..], Is.EqualTo(["Drained test 1 finished, 0 closed, 1 cut"]));
    }

    [Test]
    public async Task A_drain_that_was_overtaken_is_told_by_what_overtook_it()
    {
        await using var server = await TestServer.StartAsync(new Workspace().With("Behaviours").Configure(Config));
        using var deaf = await server.ConnectAsync();
        await deaf.SendAsync("sleep-until-closed\n");
        Assert.That(await deaf.Socket.ReceiveAsync(new byte[100], Deadline.Token), Is.Positive);
        var running = server.Server.Running.Single();
        var drain = running.DrainAsync(TimeSpan.FromDays(1), CancellationToken.None);
        running.Resume();
        Assert.That((await drain.Within()).IsComplete, Is.False);
        Assert.That(Told(server), Is.EqualTo(["Applied", "Paused test clients wait in the backlog", "Resumed test accepts again"]));
        Assert.That(server.Log, Has.None.Contains("was drained"));
    }

    [Test]
    public async Task A_failure_is_told_at_each_attempt_and_so_is_its_end()
    {
        var time = new ManualTime();
        using var transport = new HookedTransport(time) { OnAccept = static _ => throw new InvalidOperationException("a bug\nof ours") };
        await using var server = await TestServer.StartAsync(new Workspace().With("Behaviours").Configure(Config), time, transport);
        for (var death = 1; death <= 7; death++)
        {
            var deaths = death;
            await Deadline.UntilAsync(() => server.Endpoint().Counters.AcceptorRestarts == deaths && time.NextDue > TimeSpan.Zero, "it dies");
            time.Advance(death < 7 ? time.NextDue!.Value : TimeSpan.Zero);
        }

        Assert.That(Told(server)[1..], Is.EqualTo(["Failed test is tried again in 00:00:01: System.InvalidOperationException: a bug", "Failed test is tried again in 00:00:02: System.InvalidOperationException: a bug"]));
        transport.OnAccept = static _ => { };
        time.Advance(TimeSpan.FromSeconds(2));
        using var client = await server.ConnectAsync();
        await Deadline.UntilAsync(() => Told(server)[^1] == "Recovered test accepts again", "it has recovered");
    }

    [Test]
    public async Task A_change_a_rejection_a_rollback_and_a_stop_are_told()
    {
        await using var server = await TestServer.StartAsync(new Workspace().With("Swap").Version("one").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" } ]"""));
        var followed = new List<HostEvent>();
        using var stop = new CancellationTokenSource();
        var following = Task.Run(async () =>
        {
            await foreach (var happened in server.Server.Events.FollowAsync(0, stop.Token))
            {
                followed.Add(happened);
                if (happened.Kind == HostEventKind.Stopping)
                {
                    return;
                }
            }
        });
        server.Workspace.Version("two");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        Assert.That((await server.Reloader.RollbackAsync("Swap").Within()).Errors, Is.Empty);
        await File.WriteAllTextAsync(server.Workspace.ConfigFile, "{");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Not.Empty);
        await server.StopAsync();
        await following.Within();
        Assert.That(followed.Select(happened => happened.Number), Is.EqualTo(Enumerable.Range(1, followed.Count)));
        Assert.That(
            followed.Select(happened => happened.Kind).Where(kind => kind is not (HostEventKind.Retired or HostEventKind.Unloaded)),
            Is.EqualTo([HostEventKind.Applied, HostEventKind.Swapped, HostEventKind.Applied, HostEventKind.Swapped, HostEventKind.Applied, HostEventKind.RolledBack, HostEventKind.Rejected, HostEventKind.Stopping]));
    }

    [Test]
    public async Task A_fault_is_told_at_once_and_how_many_more_there_were_a_second_later()
    {
        var time = new ManualTime();
        await using var server = await TestServer.StartAsync(new Workspace().With("Behaviours").Configure(Config), time);
        for (var fault = 1; fault <= 3; fault++)
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync("throw\n");
            Assert.That(await client.EndsInResetAsync(), Is.True);
            var faults = fault;
            await Deadline.UntilAsync(() => server.Endpoint().Counters.HandlerFaults == faults, "counted");
        }

        // A fault is counted before it is held back.
        await server.AssertNothingLeftAsync();
        Assert.That(Told(server), Has.Length.EqualTo(2));
        time.Advance(TimeSpan.FromSeconds(1));
        var told = server.Server.Events.Last.Skip(1).ToList();
        Assert.That(told.Select(happened => (happened.Kind, happened.Endpoint)), Is.EqualTo(Enumerable.Repeat((HostEventKind.Fault, "test"), 2)));
        Assert.That((told[0].Plugin, told[0].Generation), Is.EqualTo(("Behaviours", 1)));
        Assert.That(told[0].Text, Does.Match(@"^connection \d+ from 127\.0\.0\.1:\d+: System\.IO\.InvalidDataException: told to: throw$"));
        Assert.That(told[1].Text, Is.EqualTo("2 times more: System.IO.InvalidDataException"));
    }

    private static string[] Told(TestServer server) =>
        [.. server.Server.Events.Last.Select(happened => happened.Kind == HostEventKind.Applied ? "Applied" : $"{happened.Kind} {happened.Endpoint} {happened.Text}")];
}
