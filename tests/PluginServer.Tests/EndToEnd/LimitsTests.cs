using Newtonsoft.Json.Linq;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>What must be exact: limits, and that nothing is left of a connection.</summary>
internal sealed class LimitsTests
{
    private const int Warmup = 100;

    private static int Rounds => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_RESETS"), out var size) ? size : 10_000;

    [Test]
    public async Task Never_more_connections_than_the_limit_are_inside_and_all_are_served_in_the_end()
    {
        await using var server = await TestServer.StartAsync("Behaviours", "CountingHandler", """, "maxConnections": 10 """);
        await AssertMostInsideAsync(server, ["test"], clients: 200, limit: 10);
        await server.AssertNothingLeftAsync();
    }

    [Test]
    public async Task The_hosts_limit_holds_over_all_endpoints()
    {
        await using var server = await TestServer.StartAsync(new Workspace().With("Behaviours").Configure(
            """
            [ { "name": "a", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "CountingHandler" },
              { "name": "b", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "CountingHandler" },
              { "name": "c", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "CountingHandler" } ]
            """,
            more: "\"maxConnections\": 2,"));
        await AssertMostInsideAsync(server, ["a", "b", "c"], clients: 60, limit: 2);
        await server.AssertNothingLeftAsync();
    }

    [Test]
    public async Task Connections_that_reset_leave_no_lease_place_or_registration_behind()
    {
        await using var server = await TestServer.StartAsync("Echo");
        await ResetAsync(() => server.ConnectAsync(), Rounds);
        var counters = server.Endpoint().Counters;
        await Deadline.UntilAsync(() => counters.Accepted + counters.AcceptErrors == Rounds, "all accepted");
        await server.AssertNothingLeftAsync();
        Assert.That(counters.Ended, Is.EqualTo(counters.Accepted));
        Assert.That(counters.HandlerFaults, Is.Zero);
    }

    [Test]
    public async Task Connections_that_reset_leave_no_descriptor_behind()
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("only Linux lists another process's descriptors (/proc/PID/fd)");
        }

        using var workspace = new Workspace().With("Echo").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]""");
        using var host = await HostProcess.StartAsync(workspace);
        async Task<JToken> StatusAsync() => JObject.Parse((await Cli.RunAsync("status", "--json", "--config", workspace.ConfigFile)).Output)["endpoints"]![0]!;
        async Task<bool> AllEndedAsync(int connections)
        {
            var status = await StatusAsync();
            return (int)status["acceptedConnections"]! + (int)status["acceptErrors"]! == connections && (int)status["activeConnections"]! == 0;
        }

        // What the runtime opens once, at the first of these, is no leak.
        await ResetAsync(() => host.ConnectAsync("test"), Warmup);
        await Deadline.UntilAsync(() => AllEndedAsync(Warmup), "the first have ended");
        var before = await FewestDescriptorsAsync(host);

        await ResetAsync(() => host.ConnectAsync("test"), Rounds);
        await Deadline.UntilAsync(() => AllEndedAsync(Warmup + Rounds), "all have ended");
        var after = 0;
        await Deadline.UntilAsync(() => (after = Descriptors(host)) <= before, $"descriptors back to {before}");
        Assert.That((int)(await StatusAsync())["handlerFaults"]!, Is.Zero);
        TestContext.Out.WriteLine($"{Rounds} resets: {before} descriptors before, {after} after");
    }

    private static int Descriptors(HostProcess host) => Directory.EnumerateFileSystemEntries($"/proc/{host.Id}/fd").Count();

    /// <summary>The fewest of many looks: the connection that asked for the status, or a poll of the files, may be there in one of them.</summary>
    private static async Task<int> FewestDescriptorsAsync(HostProcess host)
    {
        var (looks, fewest) = (0, int.MaxValue);
        await Deadline.UntilAsync(
            () =>
            {
                fewest = Math.Min(fewest, Descriptors(host));
                return ++looks == 50;
            },
            "looked");
        return fewest;
    }

    private static Task ResetAsync(Func<Task<Client>> connect, int rounds) =>
        Parallel.ForAsync(0, rounds, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (round, _) =>
        {
            var client = await connect();
            if (round % 3 != 0)
            {
                await client.SendAsync(new byte[round % 2000]);
            }

            client.Reset();
        });

    private static async Task AssertMostInsideAsync(TestServer server, string[] endpoints, int clients, int limit)
    {
        var most = 0;
        var inside = 0;
        var full = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await Parallel.ForAsync(0, clients, new ParallelOptions { MaxDegreeOfParallelism = clients }, async (index, _) =>
        {
            using var client = await server.ConnectAsync(endpoints[index % endpoints.Length]);
            Assert.That(await client.ReadLineAsync(), Is.EqualTo("in"));

            // Nobody leaves before the limit is reached, so that it is really tried.
            if (Interlocked.Increment(ref inside) == limit)
            {
                full.SetResult();
            }

            await full.Task.Within();
            await client.SendAsync("out\n");
            var seen = int.Parse(await client.ReadLineAsync(), System.Globalization.CultureInfo.InvariantCulture);
            InterlockedMax(ref most, seen);
        });
        Assert.That(most, Is.EqualTo(limit), "as counted inside the plugin");
    }

    private static void InterlockedMax(ref int most, int seen)
    {
        for (var known = Volatile.Read(ref most); seen > known; known = Volatile.Read(ref most))
        {
            Interlocked.CompareExchange(ref most, seen, known);
        }
    }
}
