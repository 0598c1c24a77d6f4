using System.Net.Sockets;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>Acceptors that never stop dying, under load, beside an endpoint that has nothing to do with it.</summary>
[Category("Long")]
internal sealed class CrashStormTests
{
    private const int PerSecond = 200;

    private static int Seconds => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_CRASH_SECONDS"), out var seconds) ? seconds : 3;

    [TestCase(true, TestName = "One_whose_acceptor_dies_before_each_accept_costs_the_endpoint_beside_it_nothing")]
    [TestCase(false, TestName = "One_whose_acceptor_dies_with_every_third_connection_costs_the_endpoint_beside_it_nothing")]
    public async Task Dying(bool always)
    {
        var (broken, accepted) = (0, 0);
        var transport = new HookedTransport(TimeProvider.System)
        {
            OnAccept = port => Crash(always && port == Volatile.Read(ref broken)),
            OnAccepted = port => Crash(port == Volatile.Read(ref broken) && Interlocked.Increment(ref accepted) % 3 == 0),
        };
        await using var server = await TestServer.StartAsync(
            new Workspace().With("Echo").Configure("""
                [ { "name": "broken", "address": "127.0.0.1", "port": 0, "plugin": "Echo" },
                  { "name": "beside", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]
                """),
            transport: transport);
        using var inside = await server.ConnectAsync("broken");
        await EchoAsync(inside, Deadline.Token);
        Volatile.Write(ref broken, server.Endpoint("broken").Port);
        var states = new HashSet<EndpointState>();
        List<Task> beside = [];
        List<Task> lost = [];
        using var pace = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / PerSecond));
        for (var tick = 0; tick < Seconds * PerSecond; tick++)
        {
            await pace.WaitForNextTickAsync();
            beside.Add(EchoAsync(server, "beside", Deadline.Token));
            lost.Add(TryEchoAsync(server));
            states.Add(server.Server.Running[0].State);
            await EchoAsync(inside, Deadline.Token);
        }

        await Task.WhenAll(beside).Within();
        await Task.WhenAll(lost).Within();
        var (sick, sound) = (server.Endpoint("broken").Counters, server.Endpoint("beside").Counters);
        TestContext.Out.WriteLine($"{Seconds} s: {sick.AcceptorRestarts} restarts, {sick.Accepted} of {lost.Count} accepted; beside {sound.Accepted} of {beside.Count}");
        Assert.That(sound.Accepted, Is.EqualTo(beside.Count));
        Assert.That(sound.AcceptorRestarts + sound.AcceptErrors + sound.HandlerFaults, Is.Zero);
        Assert.That(sick.AcceptorRestarts, Is.GreaterThanOrEqualTo(6));
        Assert.That(states, Does.Contain(EndpointState.Failed));

        // Well again, it serves again, and nothing of all that is missing.
        Volatile.Write(ref broken, 0);
        await EchoAsync(server, "broken", Deadline.Token);
        inside.Dispose();
        await server.AssertNothingLeftAsync();
        Assert.That(sick.Ended, Is.EqualTo(sick.Accepted));
        Assert.That(sound.Ended, Is.EqualTo(sound.Accepted));
    }

    private static void Crash(bool now)
    {
        if (now)
        {
            throw new InvalidOperationException("a bug of ours");
        }
    }

    private static async Task TryEchoAsync(TestServer server)
    {
        try
        {
            using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(500));
            await EchoAsync(server, "broken", patience.Token);
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException or IOException)
        {
            // What an endpoint that keeps failing does to its own clients.
        }
    }

    private static async Task EchoAsync(TestServer server, string endpoint, CancellationToken cancellationToken)
    {
        using var client = await server.ConnectAsync(endpoint, cancellationToken);
        await EchoAsync(client, cancellationToken);
    }

    private static async Task EchoAsync(Client client, CancellationToken cancellationToken)
    {
        await client.SendAsync("hello\n");
        var answer = new byte[6];
        var read = 0;
        while (read < answer.Length)
        {
            var more = await client.Socket.ReceiveAsync(answer.AsMemory(read), cancellationToken);
            read += more > 0 ? more : throw new IOException("the connection ended without an answer");
        }
    }
}
