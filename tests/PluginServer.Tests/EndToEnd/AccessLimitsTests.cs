using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Who may come in, and how many and how fast from one address: exact under many clients at once, and edited while they come.</summary>
internal sealed class AccessLimitsTests
{
    private const int Clients = 32;
    private const string ProxyProtocol = ", \"proxyProtocol\": \"required\"";
    private static readonly IPAddress[] Addresses = [.. Enumerable.Range(1, 4).Select(number => IPAddress.Parse($"127.0.0.{number}"))];
    private readonly Workspace _workspace = new();

    private static TimeSpan Length => TimeSpan.FromSeconds(int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_LIMIT_SECONDS"), out var size) ? size : 3);

    [SetUp]
    public void Fill() => _workspace.With("Echo");

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [TestCase(false)]
    [TestCase(true)]
    [Category("Long")]
    public async Task Never_more_than_the_limit_of_one_address_are_inside(bool behindProxy)
    {
        OnlyWithLoopbackNetwork(behindProxy);
        await using var server = await StartAsync(", \"maxConnectionsPerAddress\": 3", behindProxy);
        var inside = new int[Addresses.Length];
        var most = new int[Addresses.Length];
        var (admitted, rejected) = await StormAsync(server, behindProxy, async (client, address) =>
        {
            var now = Interlocked.Increment(ref inside[address]);
            InterlockedMax(ref most[address], now);
            await client.SendAsync("x");
            await client.Socket.ReceiveAsync(new byte[1], Deadline.Token);
            Interlocked.Decrement(ref inside[address]);
        });
        TestContext.Out.WriteLine($"admitted {string.Join(", ", admitted)}, rejected {rejected.Sum()}, at most {string.Join(", ", most)} at a time");
        Assert.That(most, Has.All.EqualTo(3));
        Assert.That(admitted, Has.All.GreaterThan(10));
        await server.AssertNothingLeftAsync();
        Assert.That(Rejected(server), Is.EqualTo(("address_limit", rejected.Sum())));
        Assert.That(server.Endpoint().Counters.Accepted, Is.EqualTo(admitted.Sum()));
    }

    [TestCase(false)]
    [TestCase(true)]
    [Category("Long")]
    public async Task One_address_comes_in_no_more_often_than_it_may(bool behindProxy)
    {
        OnlyWithLoopbackNetwork(behindProxy);
        const int perSecond = 20;
        await using var server = await StartAsync($", \"connectionsPerSecond\": {perSecond}", behindProxy);
        var watch = Stopwatch.StartNew();
        var (admitted, rejected) = await StormAsync(server, behindProxy, static (_, _) => Task.CompletedTask);
        var seconds = watch.Elapsed.TotalSeconds;
        TestContext.Out.WriteLine($"admitted {string.Join(", ", admitted)} within {seconds:0.00} s, rejected {rejected.Sum()}");

        // A second's worth at once, and then so many a second.
        Assert.That(admitted, Has.All.AtMost((int)(perSecond * (1 + seconds))).And.All.AtLeast((int)(perSecond * Length.TotalSeconds)));
        await server.AssertNothingLeftAsync();
        Assert.That(Rejected(server), Is.EqualTo(("address_rate", rejected.Sum())));
    }

    [Test]
    public async Task The_longest_match_of_allow_and_deny_is_who_comes_in()
    {
        OnlyWithLoopbackNetwork();
        await using var server = await StartAsync(", \"allow\": [ \"127.0.0.0/8\" ], \"deny\": [ \"127.0.0.2/31\" ]");
        Assert.That(await WhoComesInAsync(server), Is.EqualTo([true, false, false, true]));
        Assert.That(Rejected(server), Is.EqualTo(("denied", 2)));
        Assert.That(server.Log.Single(line => line.Contains(" is rejected: ", StringComparison.Ordinal)), Does.Match(@"^Warning 218: Endpoint test: a client from 127\.0\.0\.2:\d+ is rejected: its address may not connect \(allow, deny\)$"));
    }

    [TestCase("", ", \"deny\": [ \"0.0.0.0/0\", \"::/0\" ]", false)]
    [TestCase("", ", \"allow\": [ \"10.0.0.0/8\" ]", false)]
    [TestCase("", ", \"maxConnectionsPerAddress\": 1", false)]
    [TestCase(", \"deny\": [ \"0.0.0.0/0\" ]", "", true)]
    [TestCase(", \"maxConnectionsPerAddress\": 2", ", \"maxConnectionsPerAddress\": 1", false)]
    [TestCase(", \"maxConnectionsPerAddress\": 1", ", \"maxConnectionsPerAddress\": 3", true)]
    [TestCase(", \"maxConnectionsPerAddress\": 1", "", true)]
    public async Task An_edit_holds_for_those_that_come_and_closes_nobody(string before, string after, bool comesIn)
    {
        await using var server = await StartAsync(before);
        var inside = new List<Client>();
        for (var client = 0; client < 2; client++)
        {
            var one = await server.ConnectAsync();
            if (await IsInAsync(one))
            {
                inside.Add(one);
            }
        }

        Configure(after);
        Assert.That((await server.Reloader.ReloadAsync()).Accepted, Is.True);
        using var next = await server.ConnectAsync();
        Assert.That(await IsInAsync(next), Is.EqualTo(comesIn));
        foreach (var client in inside)
        {
            Assert.That(await IsInAsync(client), Is.True, "who was inside stays");
        }

        // They count, whether the limit was there when they came or not.
        inside.ForEach(client => client.Dispose());
        next.Dispose();
        await server.AssertNothingLeftAsync();
        Configure(", \"maxConnectionsPerAddress\": 1");
        await server.Reloader.ReloadAsync();
        using var last = await server.ConnectAsync();
        Assert.That(await IsInAsync(last), Is.True, "all have given back what they held");
    }

    [Test]
    public async Task A_rate_is_edited_while_clients_come()
    {
        await using var server = await StartAsync(", \"connectionsPerSecond\": 1");
        using var first = await server.ConnectAsync();
        Assert.That(await IsInAsync(first), Is.True);
        using var refused = await server.ConnectAsync();
        Assert.That(await IsInAsync(refused), Is.False);
        Configure("");
        await server.Reloader.ReloadAsync();
        for (var client = 0; client < 20; client++)
        {
            using var next = await server.ConnectAsync();
            Assert.That(await IsInAsync(next), Is.True);
        }

        Assert.That(await IsInAsync(first), Is.True);
    }

    private static void OnlyWithLoopbackNetwork(bool behindProxy = false)
    {
        if (!behindProxy && !OperatingSystem.IsLinux())
        {
            Assert.Ignore("only Linux has all of 127.0.0.0/8");
        }
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (var known = Volatile.Read(ref most); value > known; known = Volatile.Read(ref most))
        {
            Interlocked.CompareExchange(ref most, value, known);
        }
    }

    private static (string Reason, int Count) Rejected(TestServer server)
    {
        var (reason, count) = server.Reloader.Status().Endpoints.Single().RejectedByReason.Single();
        return (reason, (int)count);
    }

    /// <summary>Whether the connection is served, and not closed.</summary>
    private static async Task<bool> IsInAsync(Client client, string header = "")
    {
        try
        {
            await client.SendAsync(header + "?");
            return await client.Socket.ReceiveAsync(new byte[1], Deadline.Token) == 1;
        }
        catch (SocketException error) when (error.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown)
        {
            return false;
        }
    }

    private static async Task<bool[]> WhoComesInAsync(TestServer server)
    {
        var result = new List<bool>();
        foreach (var address in Addresses)
        {
            using var client = await Client.ConnectAsync(server.Endpoint().LocalEndPoint, from: address);
            result.Add(await IsInAsync(client));
        }

        return [.. result];
    }

    /// <summary>Clients of every address come as fast as they can, by themselves or all by way of one proxy; says how many came in and
    /// how many did not, by address.</summary>
    private static async Task<(int[] Admitted, int[] Rejected)> StormAsync(TestServer server, bool behindProxy, Func<Client, int, Task> inside)
    {
        var (admitted, rejected) = (new int[Addresses.Length], new int[Addresses.Length]);
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(number => Task.Run(async () =>
        {
            var address = number % Addresses.Length;
            var header = behindProxy ? $"PROXY TCP4 192.0.2.{address + 1} 127.0.0.1 {1024 + number} 80\r\n" : "";
            while (watch.Elapsed < Length)
            {
                using var client = await Client.ConnectAsync(server.Endpoint().LocalEndPoint, from: behindProxy ? null : Addresses[address]);
                if (await IsInAsync(client, header))
                {
                    Interlocked.Increment(ref admitted[address]);
                    await inside(client, address);
                }
                else
                {
                    Interlocked.Increment(ref rejected[address]);
                }
            }
        }))).WaitAsync(Length + Deadline.Length);
        return (admitted, rejected);
    }

    private void Configure(string more) => _workspace.Configure($$"""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo"{{more}} } ]""");

    private Task<TestServer> StartAsync(string more, bool behindProxy = false)
    {
        Configure(behindProxy ? more + ProxyProtocol : more);
        return TestServer.StartAsync(_workspace, keep: true);
    }
}
