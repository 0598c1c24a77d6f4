using System.Globalization;
using System.Net.Sockets;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Far more clients at once than there are places, from 32 threads; who is inside is counted inside the plugin.</summary>
[Category("Long")]
[NonParallelizable]
internal sealed class CrowdTests
{
    private const int Threads = 32;
    private readonly Workspace _workspace = new();

    private static int Clients => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_CLIENTS"), out var size) ? size : 600;

    [SetUp]
    public void Fill() => _workspace.With("Swap").Version("one");

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [Test]
    public async Task With_queue_never_more_than_the_limit_are_inside_and_all_are_served_in_the_end()
    {
        await using var server = await StartAsync(["test"], "queue", limit: 100);
        var crowd = new Crowd(enough: 100);
        await ComeAsync(server, ["test"], crowd).Within();
        Assert.That((crowd.Served, crowd.Refused), Is.EqualTo((Clients, 0)));
        Assert.That(crowd.Most, Is.EqualTo(100));
        await server.AssertNothingLeftAsync();
        Assert.That((server.Endpoint().Counters.Accepted, server.Endpoint().Counters.Ended, server.Endpoint().Counters.Rejected), Is.EqualTo(((long)Clients, (long)Clients, 0L)));
    }

    [Test]
    public async Task With_refuse_exactly_the_limit_is_served_and_the_rest_is_closed_and_counted()
    {
        await using var server = await StartAsync(["test"], "refuse", limit: 100);

        // Nobody leaves until everybody knows.
        var crowd = new Crowd(enough: Clients, orRefused: true);
        await ComeAsync(server, ["test"], crowd).Within();
        Assert.That((crowd.Served, crowd.Refused), Is.EqualTo((100, Clients - 100)));
        Assert.That(crowd.Most, Is.EqualTo(100));
        await server.AssertNothingLeftAsync();
        Assert.That((server.Endpoint().Counters.Accepted, server.Endpoint().Counters.Ended, server.Endpoint().Counters.Rejected), Is.EqualTo((100L, 100L, Clients - 100L)));
    }

    [TestCase("queue")]
    [TestCase("refuse")]
    public async Task The_hosts_limit_holds_over_three_endpoints_and_two_builds(string overflow)
    {
        string[] endpoints = ["a", "b", "c"];
        await using var server = await StartAsync(endpoints, overflow, limit: Clients, hostLimit: 60);
        var crowd = new Crowd(enough: 60);

        // Half of those inside are of the first build when the second one comes.
        var first = ComeAsync(server, endpoints, crowd, 30);
        await Deadline.UntilAsync(() => crowd.Inside == 30, "half are inside");
        _workspace.Version("two");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        var second = ComeAsync(server, endpoints, crowd, Clients);
        await Task.WhenAll(first, second).Within();
        Assert.That(crowd.Most, Is.EqualTo(60));
        Assert.That(crowd.Served + crowd.Refused, Is.EqualTo(Clients + 30));
        await server.AssertNothingLeftAsync();
        Assert.That(server.Server.Endpoints.Sum(endpoint => endpoint.Counters.Accepted), Is.EqualTo(crowd.Served));
        Assert.That(server.Server.Endpoints.Sum(endpoint => endpoint.Counters.Rejected), Is.EqualTo(crowd.Refused));
        Assert.That(crowd.Refused, overflow == "queue" ? Is.Zero : Is.GreaterThan(0));
    }

    private async Task<TestServer> StartAsync(string[] endpoints, string overflow, int limit, int? hostLimit = null)
    {
        // More than the system's own bound of the backlog (net.core.somaxconn) may allow: who does not fit is let in at a later try of his kernel's.
        _workspace.Configure(
            "[" + string.Join(',', endpoints.Select(name => $$"""{ "name": "{{name}}", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "CrowdHandler", "acceptors": 4, "overflow": "{{overflow}}", "maxConnections": {{limit}}, "backlog": 5000 }""")) + "]",
            more: hostLimit is null ? "" : $"\"maxConnections\": {hostLimit},");
        return await TestServer.StartAsync(_workspace, keep: true);
    }

    private static Task ComeAsync(TestServer server, string[] endpoints, Crowd crowd, int? count = null) => Task.WhenAll(
        Enumerable.Range(0, count ?? Clients).GroupBy(index => index % Threads).Select(thread => Task.Run(() =>
            Task.WhenAll(thread.Select(index => ComeAsync(server, endpoints[index / Threads % endpoints.Length], crowd))))));

    private static async Task ComeAsync(TestServer server, string endpoint, Crowd crowd)
    {
        using var client = await server.ConnectAsync(endpoint);
        if (!await IsInAsync(client))
        {
            crowd.Refuse();
            return;
        }

        await crowd.EnterAsync();
        await client.SendAsync("out\n");
        crowd.Leave(int.Parse(await client.ReadLineAsync(), CultureInfo.InvariantCulture));
    }

    private static async Task<bool> IsInAsync(Client client)
    {
        try
        {
            return await client.Socket.ReceiveAsync(new byte[3]).Within() == 3;
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            return false;
        }
    }

    /// <summary>Those inside stay until enough are: so the limit is really tried.</summary>
    private sealed class Crowd(int enough, bool orRefused = false)
    {
        private readonly TaskCompletionSource _enough = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _most;
        private int _entered;
        private int _refused;
        private int _served;

        public int Most => Volatile.Read(ref _most);

        public int Inside => Volatile.Read(ref _entered) - Volatile.Read(ref _served);

        public int Served => Volatile.Read(ref _served);

        public int Refused => Volatile.Read(ref _refused);

        public Task EnterAsync()
        {
            Count(Interlocked.Increment(ref _entered), Refused);
            return _enough.Task;
        }

        public void Refuse() => Count(Volatile.Read(ref _entered), Interlocked.Increment(ref _refused));

        public void Leave(int most)
        {
            for (var known = Most; most > known; known = Most)
            {
                Interlocked.CompareExchange(ref _most, most, known);
            }

            Interlocked.Increment(ref _served);
        }

        private void Count(int entered, int refused)
        {
            if (entered + (orRefused ? refused : 0) >= enough)
            {
                _enough.TrySetResult();
            }
        }
    }
}
