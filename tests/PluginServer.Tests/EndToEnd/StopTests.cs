using System.Diagnostics;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>How a host process stops: signals, the backlog, deadlines and exit codes.</summary>
internal sealed class StopTests
{
    private readonly Workspace _workspace = new();

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [Test]
    public async Task Sigterm_with_50_connections_that_finish_in_time_exits_0_and_cuts_none()
    {
        using var host = await StartAsync("PoliteHandler", 100);
        var clients = await ConnectAsync(host, 50);
        host.Signal("TERM");
        foreach (var client in clients)
        {
            Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("goodbye\n"));
            client.Dispose();
        }

        Assert.That(await host.ExitAsync(), Is.Zero, host.Output);
        Assert.That(host.Output, Does.Not.Contain("Cut"));
    }

    [Test]
    public async Task Handlers_that_ignore_draining_are_cut_at_the_timeout_and_the_host_exits_3()
    {
        using var host = await StartAsync("DeafHandler", 100, "\"shutdownTimeout\": \"00:00:01\",");
        var clients = await ConnectAsync(host, 5);
        var watch = Stopwatch.StartNew();
        host.Signal("TERM");
        foreach (var client in clients)
        {
            Assert.That(await client.EndsInResetAsync(), Is.True);
            client.Dispose();
        }

        Assert.That(await host.ExitAsync(), Is.EqualTo(3), host.Output);
        Assert.That(watch.Elapsed, Is.GreaterThan(TimeSpan.FromSeconds(0.9)), "the time to finish was given");
        Assert.That(host.Output, Does.Contain("Cut 5 connections"));
    }

    [Test]
    public async Task Clients_that_wait_in_the_backlog_at_the_stop_are_served()
    {
        using var host = await StartAsync("PoliteHandler", 2);
        var inside = await ConnectAsync(host, 2);
        var waiting = new List<Client>();
        for (var count = 0; count < 20; count++)
        {
            waiting.Add(await host.ConnectAsync("test"));
        }

        host.Signal("TERM");
        foreach (var client in waiting)
        {
            Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("hello\ngoodbye\n"));
            client.Dispose();
        }

        inside.ForEach(client => client.Dispose());
        Assert.That(await host.ExitAsync(), Is.Zero, host.Output);
    }

    [Test]
    public async Task A_second_signal_cuts_at_once()
    {
        using var host = await StartAsync("DeafHandler", 100, "\"shutdownTimeout\": \"01:00:00\",");
        var clients = await ConnectAsync(host, 1);
        host.Signal("INT");
        await Deadline.UntilAsync(() => host.Output.Contains("Draining 1 connections", StringComparison.Ordinal), () => $"the first signal drains\n{host.Output}");
        host.Signal("INT");
        Assert.That(await clients[0].EndsInResetAsync(), Is.True);
        Assert.That(await host.ExitAsync(), Is.EqualTo(3), host.Output);
    }

    [Test]
    public async Task Accepting_goes_on_during_the_shutdown_delay()
    {
        using var host = await StartAsync("DeafHandler", 100, "\"shutdownDelay\": \"01:00:00\",");
        host.Signal("TERM");
        await Deadline.UntilAsync(() => host.Output.Contains("accepting for another 01:00:00", StringComparison.Ordinal), "the delay begins");
        var clients = await ConnectAsync(host, 3);
        host.Signal("TERM");
        foreach (var client in clients)
        {
            Assert.That(await client.EndsInResetAsync(), Is.True);
            client.Dispose();
        }

        Assert.That(await host.ExitAsync(), Is.EqualTo(3), host.Output);
        Assert.That(host.Output, Does.Contain("Cut 3 connections"));
    }

    [Test]
    public async Task Json_log_lines_are_json()
    {
        _workspace.With("Echo").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]""");
        using var host = await HostProcess.StartAsync(_workspace, "--log-format", "json");
        host.Signal("TERM");
        Assert.That(await host.ExitAsync(), Is.Zero);
        var lines = host.Output.Split('\n').Where(line => line.StartsWith('{')).Select(Newtonsoft.Json.Linq.JObject.Parse).ToList();
        Assert.That(lines.Select(line => (int)line["EventId"]!), Is.SupersetOf(new[] { 100, 201, 301, 101, 104 }));
    }

    private Task<HostProcess> StartAsync(string handler, int limit, string more = "")
    {
        _workspace.With("Behaviours").Configure($$"""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "{{handler}}", "maxConnections": {{limit}} } ]""", more: more);
        return HostProcess.StartAsync(_workspace);
    }

    private static async Task<List<Client>> ConnectAsync(HostProcess host, int count)
    {
        var clients = new List<Client>();
        for (var index = 0; index < count; index++)
        {
            var client = await host.ConnectAsync("test");
            Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
            clients.Add(client);
        }

        return clients;
    }
}
