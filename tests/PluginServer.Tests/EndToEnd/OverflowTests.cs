using System.Globalization;
using System.Net.Sockets;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>What happens at a limit, and what an edit of it does, with several acceptors on the endpoint.</summary>
internal sealed class OverflowTests
{
    private readonly Workspace _workspace = new();

    [SetUp]
    public void Fill() => _workspace.With("Swap").Version("one");

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [TestCase(false)]
    [TestCase(true)]
    public async Task Who_is_refused_is_closed_and_counted_and_was_never_accepted(bool byHost)
    {
        await using var server = await StartAsync(2, "refuse", byHost);
        using var first = await EnterAsync(server);
        using var second = await EnterAsync(server);
        for (var refused = 1; refused <= 10; refused++)
        {
            await AssertRefusedAsync(server);
        }

        Assert.That(server.Reloader.Status().Endpoints.Single().RejectedConnections, Is.EqualTo(10));
        Assert.That(server.Endpoint().Counters.Accepted, Is.EqualTo(2));
        await LeaveAsync(first);
        await Deadline.UntilAsync(() => server.Endpoint().Connections.Count == 1 && server.Server.Places.Taken == 1 && server.Endpoint().Places.Taken == 1, "a place is free");
        using var third = await EnterAsync(server);
        await AssertRefusedAsync(server);
        Assert.That(await LeaveAsync(third), Is.EqualTo(2), "never more inside than the limit");
        await LeaveAsync(second);
        await server.AssertNothingLeftAsync();
        var counters = server.Endpoint().Counters;
        Assert.That((counters.Accepted, counters.Ended, counters.Rejected, counters.AcceptErrors, counters.HandlerFaults), Is.EqualTo((3L, 3L, 11L, 0L, 0L)));
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task An_edit_reaches_who_waits_for_a_place(bool byHost)
    {
        await using var server = await StartAsync(1, "queue", byHost);
        using var inside = await EnterAsync(server);
        using var waiting = await server.ConnectAsync();
        await EditAsync(server, 1, "refuse", byHost);
        Assert.That(await IsInAsync(waiting), Is.False);
        await AssertRefusedAsync(server);

        await EditAsync(server, 1, "queue", byHost);
        using var patient = await server.ConnectAsync();
        var entering = IsInAsync(patient);
        Assert.That(await LeaveAsync(inside), Is.EqualTo(1));
        Assert.That(await entering, Is.True);
        Assert.That(await LeaveAsync(patient), Is.EqualTo(1));
        await server.AssertNothingLeftAsync();
        Assert.That((server.Endpoint().Counters.Accepted, server.Endpoint().Counters.Rejected), Is.EqualTo((2L, 2L)));
    }

    [Test]
    public async Task A_lowered_limit_is_exact_although_acceptors_held_places_under_the_old_one()
    {
        await using var server = await StartAsync(6, "queue", byHost: false);
        using var first = await EnterAsync(server);
        using var second = await EnterAsync(server);
        await Deadline.UntilAsync(() => server.Endpoint().Places.Taken == 6, "each acceptor holds a place for the next client");
        await EditAsync(server, 2, "queue", byHost: false);
        using var third = await server.ConnectAsync();
        var entering = IsInAsync(third);
        Assert.That(await LeaveAsync(first), Is.EqualTo(2));
        Assert.That(await entering, Is.True);
        Assert.That(await LeaveAsync(third), Is.EqualTo(2), "the third came in after somebody had left");
        await LeaveAsync(second);

        await EditAsync(server, 1, "queue", byHost: false);
        await EditAsync(server, 3, "queue", byHost: false);
        using var one = await EnterAsync(server);
        using var two = await EnterAsync(server);
        using var three = await EnterAsync(server);
        Assert.That(await LeaveAsync(three), Is.EqualTo(3));
    }

    [Test]
    public async Task A_lowered_limit_keeps_no_free_place_from_who_waits()
    {
        await using var server = await StartAsync(6, "queue", byHost: false);
        using var first = await EnterAsync(server);
        using var second = await EnterAsync(server);
        await Deadline.UntilAsync(() => server.Endpoint().Places.Taken == 6, "each acceptor holds a place for the next client");
        await EditAsync(server, 3, "queue", byHost: false);
        using var third = await EnterAsync(server);
        await EditAsync(server, 4, "refuse", byHost: false);
        await Deadline.UntilAsync(() => server.Endpoint().Places.Taken == 3, "who refuses holds no place for nobody");
        using var fourth = await EnterAsync(server);
        await AssertRefusedAsync(server);
        Assert.That(await LeaveAsync(fourth), Is.EqualTo(4));
    }

    [Test]
    public async Task Limits_lowered_and_raised_under_load_kill_nobody_and_wake_who_waits()
    {
        int[] limits = [20, 5, 12, 1, 20, 3, 7, 2];
        await using var server = await StartAsync(limits[0], "queue", byHost: false);
        using var stop = new CancellationTokenSource();
        var churn = Enumerable.Range(0, 40).Select(_ => Task.Run(async () =>
        {
            var most = 0;
            while (!stop.IsCancellationRequested)
            {
                using var client = await EnterAsync(server);
                most = await LeaveAsync(client);
            }

            return most;
        })).ToList();
        foreach (var limit in limits.Skip(1).Concat(limits))
        {
            await EditAsync(server, limit, "queue", byHost: false);
            var accepted = server.Endpoint().Counters.Accepted;
            await Deadline.UntilAsync(() => server.Endpoint().Counters.Accepted > accepted + 100, "connections go on");
            Assert.That(server.Endpoint().Connections.Count, Is.LessThanOrEqualTo(limit), "those of the higher limit before are gone by now");
        }

        await stop.CancelAsync();
        var most = (await Task.WhenAll(churn).Within()).Max();
        Assert.That(most, Is.LessThanOrEqualTo(limits.Max()));
        await server.AssertNothingLeftAsync();
        Assert.That(server.Endpoint().Counters.HandlerFaults + server.Endpoint().Counters.Rejected + server.Endpoint().Counters.Cut, Is.Zero);
    }

    [Test]
    public async Task Limits_beyond_the_open_files_are_said_once_and_refuse_nothing()
    {
        const int Limit = 1_000_000;
        var files = PluginServer.Networking.HostLimit.OpenFiles();
        if (files is null or >= 2 * Limit)
        {
            Assert.Ignore("this system sets no limit on open files, or one too high for this test");
        }

        await using var server = await StartAsync(Limit, "queue", byHost: false, endpoints: 2);
        string[] Warnings() => [.. server.Log.Where(line => line.StartsWith("Warning 106", StringComparison.Ordinal))];
        Assert.That(Warnings(), Has.Length.EqualTo(1));
        Assert.That(Warnings()[0], Does.Contain("2000000").And.Contains($" {files} "));
        await EditAsync(server, Limit, "refuse", byHost: false, endpoints: 2);
        Assert.That(Warnings(), Has.Length.EqualTo(1), "the sum is the same");
        await EditAsync(server, Limit - 1, "refuse", byHost: false, endpoints: 2);
        Assert.That(Warnings(), Has.Length.EqualTo(2));
        await EditAsync(server, 1, "queue", byHost: false, endpoints: 2);
        Assert.That(Warnings(), Has.Length.EqualTo(2));
        using var client = await EnterAsync(server);
        await LeaveAsync(client);
    }

    /// <summary>Connects, and is served.</summary>
    private static async Task<Client> EnterAsync(TestServer server)
    {
        var client = await server.ConnectAsync();
        Assert.That(await IsInAsync(client), Is.True);
        return client;
    }

    /// <summary>Ends, and says how many were inside at most until then.</summary>
    private static async Task<int> LeaveAsync(Client client)
    {
        await client.SendAsync("out\n");
        var most = int.Parse(await client.ReadLineAsync(), CultureInfo.InvariantCulture);
        Assert.That(await client.ReadToEndAsync(), Is.Empty);
        client.Dispose();
        return most;
    }

    private static async Task AssertRefusedAsync(TestServer server)
    {
        using var client = await server.ConnectAsync();
        Assert.That(await IsInAsync(client), Is.False);
    }

    private static async Task<bool> IsInAsync(Client client)
    {
        try
        {
            return await client.Socket.ReceiveAsync(new byte[3], Deadline.Token) == 3;
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            return false;
        }
    }

    private async Task<TestServer> StartAsync(int limit, string overflow, bool byHost, int endpoints = 1)
    {
        Configure(limit, overflow, byHost, endpoints);
        return await TestServer.StartAsync(_workspace, keep: true);
    }

    private async Task EditAsync(TestServer server, int limit, string overflow, bool byHost, int endpoints = 1)
    {
        Configure(limit, overflow, byHost, endpoints);
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
    }

    private void Configure(int limit, string overflow, bool byHost, int endpoints) => _workspace.Configure(
        "[" + string.Join(',', Enumerable.Range(0, endpoints).Select(index =>
            $$"""{ "name": "{{(index == 0 ? "test" : $"test{index}")}}", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "CrowdHandler", "acceptors": 4, "overflow": "{{overflow}}", "maxConnections": {{(byHost ? 100 : limit)}} }""")) + "]",
        more: byHost ? $"\"maxConnections\": {limit}," : "");
}
