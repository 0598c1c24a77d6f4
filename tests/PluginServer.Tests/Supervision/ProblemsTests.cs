using PluginServer.Networking;
using PluginServer.Plugins;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>What status leads with: each thing that can be wrong, while it is wrong and no longer.</summary>
internal sealed class ProblemsTests
{
    private readonly Workspace _workspace = new();

    [Test]
    public async Task Nothing_is_wrong_with_a_host_that_waits_for_its_clients()
    {
        // The acceptors hold the places for those who come next.
        await using var server = await StartAsync("Behaviours", "DeafHandler", more: """, "maxConnections": 3, "acceptors": 4""");
        await Deadline.UntilAsync(() => server.Endpoint().Places.Taken == 3, "they hold them all");
        Assert.That(Shown(server), Is.Empty);
    }

    [Test]
    public async Task An_edit_that_was_rejected_until_it_is_put_right()
    {
        await using var server = await StartAsync("Echo");
        var sound = await File.ReadAllTextAsync(_workspace.ConfigFile);
        await File.WriteAllTextAsync(_workspace.ConfigFile, sound.Replace("\"port\": 0, \"plugin\"", "\"port\": 70000, \"plugin\"", StringComparison.Ordinal));
        await server.Reloader.FilesChangedAsync().Within();
        Assert.That(Problems(server).Single(), Is.EqualTo(new Problem("rejected", null, null, $"the present files were rejected, and what was accepted before goes on: {server.Reloader.Errors.Single()}")));
        await File.WriteAllTextAsync(_workspace.ConfigFile, sound);
        await server.Reloader.FilesChangedAsync().Within();
        Assert.That(Shown(server), Is.Empty);
    }

    [Test]
    public async Task A_build_that_was_refused_while_the_host_runs_is_said_once()
    {
        await using var server = await StartAsync("Swap", "VersionHandler");
        await File.WriteAllTextAsync(Path.Combine(_workspace.PluginFolder("Swap"), "Swap.dll"), "");
        await server.Reloader.FilesChangedAsync().Within();
        var problem = Problems(server).Single();
        Assert.That((problem.Kind, problem.Text), Is.EqualTo(("rejected", $"the present files were rejected, and what was accepted before goes on: {server.Reloader.Errors.Single()}")));
    }

    [Test]
    public async Task A_build_that_was_refused_at_the_start_until_the_folder_has_what_serves()
    {
        await (await StartAsync("Swap", "VersionHandler", keep: true)).DisposeAsync();
        var main = Path.Combine(_workspace.PluginFolder("Swap"), "Swap.dll");
        var sound = await File.ReadAllBytesAsync(main);
        await File.WriteAllBytesAsync(main, []);
        await using var server = await TestServer.StartAsync(_workspace);
        var problem = Problems(server).Single();
        Assert.That((problem.Kind, problem.Plugin), Is.EqualTo(("error", "Swap")));
        Assert.That(problem.Text, Does.StartWith($"{_workspace.ConfigFile}:").And.Contain("Swap.dll is empty"));
        Assert.That(server.Reloader.Status().Plugins[0].Generations.Select(generation => generation.State), Is.EqualTo(["failed", "active"]));

        // Somebody asks, and it is as it was.
        Assert.That((await server.Reloader.ReloadAsync().Within()).Accepted, Is.False);
        Assert.That(Shown(server), Is.EqualTo(["rejected"]));
        await File.WriteAllBytesAsync(main, sound);
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        Assert.That(Shown(server), Is.Empty);
    }

    [Test]
    public async Task A_build_that_was_refused_at_the_start_and_is_taken_away_before_anybody_asks()
    {
        await (await StartAsync("Swap", "VersionHandler", keep: true)).DisposeAsync();
        var main = Path.Combine(_workspace.PluginFolder("Swap"), "Swap.dll");
        var sound = await File.ReadAllBytesAsync(main);
        await File.WriteAllBytesAsync(main, []);
        await using var server = await TestServer.StartAsync(_workspace);
        Assert.That(Shown(server), Is.EqualTo(["error"]));
        await File.WriteAllBytesAsync(main, sound);
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Errors, Is.Empty);
        Assert.That(Shown(server), Is.Empty);
    }

    [Test]
    public async Task An_endpoint_that_has_failed_until_it_accepts_again()
    {
        var time = new ManualTime();
        var isBroken = true;
        using var transport = new HookedTransport(time) { OnAccept = _ => throw (isBroken ? new InvalidOperationException("a bug of ours") : new OperationCanceledException("over")) };
        await using var server = await StartAsync("Echo", time: time, transport: transport);
        for (var death = 0; death < 6; death++)
        {
            var deaths = death;
            await Deadline.UntilAsync(() => server.Endpoint().Counters.AcceptorRestarts > deaths && time.NextDue > TimeSpan.Zero, "it dies");
            if (death < 5)
            {
                time.Advance(time.NextDue!.Value);
            }
        }

        var problem = Problems(server).Single();
        Assert.That((problem.Kind, problem.Endpoint, problem.Plugin), Is.EqualTo(("failed", "test", "Echo")));
        Assert.That(problem.Text, Is.EqualTo($"does not accept on {server.Endpoint().Address}: its acceptors keep dying; it is tried again now and then, see the log"));
        transport.OnAccept = static _ => { };
        isBroken = false;
        time.Advance(TimeSpan.FromSeconds(1));
        using var client = await server.ConnectAsync();
        await client.SendAsync("hello\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
        await Deadline.UntilAsync(() => Shown(server).Length == 0, "recovered");
    }

    [Test]
    public async Task Faults_of_handlers_for_a_minute()
    {
        var time = new ManualTime();
        await using var server = await StartAsync("Behaviours", "ObedientHandler", time: time);
        for (var fault = 1; fault <= 3; fault++)
        {
            using var client = await server.ConnectAsync();
            await client.SendAsync("throw\n");
            Assert.That(await client.EndsInResetAsync(), Is.True);
            var faults = fault;
            await Deadline.UntilAsync(() => server.Endpoint().Counters.HandlerFaults == faults, "counted");
        }

        Assert.That(Problems(server), Is.EqualTo([new Problem("faults", "test", "Behaviours", "3 handler faults in the last minute; the log has the first of each second")]));
        time.Advance(TimeSpan.FromSeconds(50));
        Assert.That(Shown(server), Is.EqualTo(["faults"]));
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.That(Shown(server), Is.Empty);
    }

    [Test]
    public async Task What_a_plugin_let_escape_outside_of_its_handlers()
    {
        static void Observe(object? sender, UnobservedTaskExceptionEventArgs unobserved) => StrayFaults.Observe(unobserved.Exception);
        TaskScheduler.UnobservedTaskException += Observe;
        try
        {
            await using var server = await StartAsync("Misbehaving", "StrayHandler");
            using var client = await server.ConnectAsync();
            await client.SendAsync("task\n");
            Assert.That(await client.ReadLineAsync(), Is.EqualTo("as you like"));
            Assert.That(await client.ReadLineAsync(), Is.EqualTo("done"));
            await Deadline.UntilAsync(() => Shown(server).Length > 0, "it is found");
            Assert.That(Problems(server), Is.EqualTo([new Problem("faults", null, "Misbehaving", "generation 1: 1 exception outside of its handlers, see the log")]));
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Observe;
        }
    }

    [TestCase("queue", "who comes now waits in the backlog")]
    [TestCase("refuse", "who comes now is refused")]
    public async Task A_limit_that_is_reached(string overflow, string consequence)
    {
        await using var server = await StartAsync("Behaviours", "DeafHandler", more: $$""", "maxConnections": 2, "overflow": "{{overflow}}" """);
        using var first = await InsideAsync(server);
        Assert.That(Shown(server), Is.Empty);
        using var second = await InsideAsync(server);
        Assert.That(Problems(server), Is.EqualTo([new Problem("limit", "test", "Behaviours", $"all 2 connections are taken (maxConnections): {consequence}")]));
        second.SendFin();
        await Deadline.UntilAsync(() => Shown(server).Length == 0, "one has gone");
    }

    [Test]
    public async Task The_limit_of_the_host_that_is_reached()
    {
        await using var server = await StartAsync("Behaviours", "DeafHandler", host: "\"maxConnections\": 1,");
        Assert.That(Shown(server), Is.Empty);
        using var client = await InsideAsync(server);
        Assert.That(Problems(server), Is.EqualTo([new Problem("limit", null, null, "all 1 connections of the host are taken (maxConnections, or the open-file limit)")]));
        client.SendFin();
        await Deadline.UntilAsync(() => Shown(server).Length == 0, "it has gone");
    }

    [Test]
    public async Task A_generation_that_leaked()
    {
        var time = new SkippingTime();
        await using var server = await StartAsync("LeakTimer", time: time);
        using (var client = await server.ConnectAsync())
        {
            Assert.That(await client.ReadTextToEndAsync(), Is.Empty);
        }

        await server.AssertNothingLeftAsync();
        await File.WriteAllTextAsync(Path.Combine(_workspace.PluginFolder("LeakTimer"), "changed.txt"), "another build");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        var old = server.Server.Generations[1];
        await Deadline.UntilAsync(() => old.State == GenerationState.Unloading, "unloading");
        Assert.That(Shown(server), Is.Empty);
        time.Skip(PluginGeneration.LeakAfter);
        await Deadline.UntilAsync(() => old.State == GenerationState.Leaked, "leaked");
        Assert.That(Problems(server), Is.EqualTo([new Problem("leaked", null, "LeakTimer", $"generation 1 was not unloaded, perhaps because of {old.Leak}; its memory is lost until the host restarts")]));
    }

    [Test]
    public async Task A_certificate_near_its_end_until_it_is_renewed()
    {
        var time = new ManualTime();
        using var files = new CertificateFiles();
        files.WritePair(TestCertificate.Make("one.example", until: 15));
        await using var server = await StartAsync("Echo", more: $$""", "tls": { "certificate": "{{files["cert.pem"]}}", "key": "{{files["key.pem"]}}" }""", time: time);
        Assert.That(Shown(server), Is.Empty);
        time.Advance(TimeSpan.FromDays(2));
        var problem = Problems(server).Single();
        Assert.That((problem.Kind, problem.Endpoint), Is.EqualTo(("certificate", "test")));
        Assert.That(problem.Text, Does.Match(@"^the certificate of one\.example expires on .*; renew it$"));
        time.Advance(TimeSpan.FromDays(14));
        Assert.That(Problems(server).Single().Text, Does.Contain("expired on"));
        files.WritePair(TestCertificate.Make("one.example", until: 100));
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Errors, Is.Empty);
        Assert.That(Shown(server), Is.Empty);
    }

    [Test]
    public async Task An_endpoint_that_is_paused_and_the_worst_comes_first()
    {
        await using var server = await StartAsync("Behaviours", "DeafHandler", more: """, "maxConnections": 1""");
        var running = server.Server.Running.Single();
        using var client = await InsideAsync(server);
        running.Pause();
        Assert.That(Problems(server)[^1], Is.EqualTo(new Problem("paused", "test", "Behaviours", "is paused: clients wait in the backlog until it is resumed")));
        await File.WriteAllTextAsync(_workspace.ConfigFile, "{");
        await server.Reloader.FilesChangedAsync().Within();
        Assert.That(Shown(server), Is.EqualTo(["rejected", "limit", "paused"]));
        running.Resume();
        Assert.That(Shown(server), Is.EqualTo(["rejected", "limit"]));
    }

    private static IReadOnlyList<Problem> Problems(TestServer server) => server.Reloader.Status().Problems;

    private static string[] Shown(TestServer server) => [.. Problems(server).Select(problem => problem.Kind)];

    private static async Task<Client> InsideAsync(TestServer server)
    {
        var client = await server.ConnectAsync();
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
        return client;
    }

    private Task<TestServer> StartAsync(string plugin, string? handler = null, string more = "", string host = "", TimeProvider? time = null, Transport? transport = null, bool keep = false) => TestServer.StartAsync(
        _workspace.With(plugin).Configure($$"""[{ "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "{{plugin}}"{{(handler is null ? "" : $", \"handler\": \"{handler}\"")}}{{more}} }]""", more: host),
        time,
        transport,
        keep);
}
