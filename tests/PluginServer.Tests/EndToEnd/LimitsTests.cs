using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>What must be exact: limits, and that nothing is left of a connection.</summary>
internal sealed class LimitsTests
{
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
    public async Task Connections_that_reset_leave_no_descriptor_lease_place_or_registration_behind()
    {
        await using var server = await TestServer.StartAsync("Echo");
        using (var first = await server.ConnectAsync())
        {
            await first.SendAsync("warm\n");
            Assert.That(await first.ReadLineAsync(), Is.EqualTo("warm"));
        }

        await server.AssertNothingLeftAsync();
        await Parallel.ForAsync(0, Rounds, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (round, _) =>
        {
            var client = await server.ConnectAsync();
            if (round % 3 != 0)
            {
                await client.SendAsync(new byte[round % 2000]);
            }

            client.Reset();
        });
        await server.AssertNothingLeftAsync();
        await Deadline.UntilAsync(() => server.Endpoint().Counters.Accepted + server.Endpoint().Counters.AcceptErrors == Rounds + 1, "all accepted");
        Assert.That(server.Endpoint().Counters.Ended, Is.EqualTo(server.Endpoint().Counters.Accepted));
        Assert.That(server.Endpoint().Counters.HandlerFaults, Is.Zero);

        // Other tests of this process have sockets too; those of this listener's port are told apart by the port.
        await Deadline.UntilAsync(() => EstablishedOn(server.Endpoint().LocalEndPoint.Port) == 0, "descriptors back to 0");
    }

    private static int EstablishedOn(int port) =>
        System.Net.NetworkInformation.IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpConnections()
            .Count(connection => connection.LocalEndPoint.Port == port && connection.State is System.Net.NetworkInformation.TcpState.Established or System.Net.NetworkInformation.TcpState.CloseWait);

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
