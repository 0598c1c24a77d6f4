using System.Net.Sockets;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>More than one acceptor on a listening socket.</summary>
internal sealed class AcceptorsTests
{
    private HookedTransport _transport = null!;

    [SetUp]
    public void Reset() => _transport = new HookedTransport(TimeProvider.System);

    [TearDown]
    public void End() => _transport.Dispose();

    [Test]
    public async Task An_edit_starts_more_and_ends_surplus_ones_in_place()
    {
        await using var server = await StartAsync(8);
        await AcceptingAsync(server, 8);
        foreach (var (before, count) in new[] { (8, 64), (64, 2), (2, 3), (3, 1) })
        {
            using var client = await server.ConnectAsync();
            await EchoAsync(client);
            var file = server.Workspace.ConfigFile;
            await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file)).Replace($"\"acceptors\": {before},", $"\"acceptors\": {count},", StringComparison.Ordinal));
            var outcome = await server.Reloader.ReloadAsync();
            Assert.That(outcome.Changes, Is.EqualTo(new[] { $"endpoint test: acceptors: {before} -> {count}" }));
            await AcceptingAsync(server, count);
            Assert.That(server.Reloader.Status().Endpoints.Single().Acceptors, Is.EqualTo(count));
            await EchoAsync(client);
        }

        Assert.That(server.Endpoint().Counters.AcceptorRestarts, Is.Zero);
    }

    [Test]
    public async Task Resizing_under_load_loses_no_connection_and_no_place()
    {
        await using var server = await StartAsync(1);
        var running = server.Server.Running.Single();
        var served = 0;
        using var stop = new CancellationTokenSource();
        var clients = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                using var client = await server.ConnectAsync();
                await EchoAsync(client);
                Interlocked.Increment(ref served);
            }
        })).ToList();
        var random = new Random(4);
        for (var resize = 0; resize < 300; resize++)
        {
            running.Update(running.Endpoint.Config with { Acceptors = random.Next(1, 65) });
            var next = served + 3;
            await Deadline.UntilAsync(() => Volatile.Read(ref served) >= next, "service goes on");
        }

        await stop.CancelAsync();
        await Task.WhenAll(clients).Within();
        await AcceptingAsync(server, running.Endpoint.Config.Acceptors);
        await server.AssertNothingLeftAsync();
        Assert.That(server.Endpoint().Counters.Accepted, Is.EqualTo(served));
        Assert.That(server.Endpoint().Counters.AcceptorRestarts, Is.Zero);
    }

    [Test]
    public async Task One_that_dies_is_replaced_while_the_others_accept()
    {
        await using var server = await StartAsync(4);
        await AcceptingAsync(server, 4);
        var deaths = 1;
        _transport.OnAccepted = _ =>
        {
            if (Interlocked.Decrement(ref deaths) == 0)
            {
                throw new InvalidOperationException("a bug of ours");
            }
        };
        using (await server.ConnectAsync())
        {
            await Deadline.UntilAsync(() => server.Endpoint().Counters.AcceptorRestarts == 1, "it died");
        }

        using var client = await server.ConnectAsync();
        await EchoAsync(client);
        await AcceptingAsync(server, 4);
        Assert.That(server.Endpoint().Counters.AcceptorRestarts, Is.EqualTo(1));
    }

    [Test]
    public async Task A_broken_listening_socket_is_one_death_however_many_accept_from_it()
    {
        await using var server = await StartAsync(32);
        await AcceptingAsync(server, 32);
        using var inside = await server.ConnectAsync();
        await EchoAsync(inside);
        var port = server.Endpoint().Port;
        for (var round = 1; round <= 3; round++)
        {
            await AcceptingAsync(server, 32);
            _transport.Listening(port).Shutdown(SocketShutdown.Both);
            await Deadline.UntilAsync(() => server.Log.Count(line => line.Contains("was opened anew", StringComparison.Ordinal)) == round, "opened anew");
            using var client = await server.ConnectAsync();
            await EchoAsync(client);
        }

        await AcceptingAsync(server, 32);
        await EchoAsync(inside);
        Assert.That(server.Endpoint().Counters.AcceptorRestarts, Is.EqualTo(3));
        Assert.That(server.Server.Running.Single().State, Is.EqualTo(EndpointState.Listening));
    }

    [Test]
    public async Task The_limit_is_exact_with_more_acceptors_than_places()
    {
        await using var server = await TestServer.StartAsync("Behaviours", "CountingHandler", """, "acceptors": 8, "maxConnections": 3 """);
        await Parallel.ForAsync(0, 60, new ParallelOptions { MaxDegreeOfParallelism = 30 }, async (_, _) =>
        {
            using var client = await server.ConnectAsync();
            Assert.That(await client.ReadLineAsync(), Is.EqualTo("in"));
            await client.SendAsync("out\n");
            Assert.That(int.Parse(await client.ReadLineAsync(), System.Globalization.CultureInfo.InvariantCulture), Is.LessThanOrEqualTo(3));
        });
        await server.AssertNothingLeftAsync();
    }

    private Task<TestServer> StartAsync(int acceptors) => TestServer.StartAsync(
        new Workspace().With("Echo").Configure($$"""[ { "name": "test", "address": "127.0.0.1", "port": 0, "acceptors": {{acceptors}}, "plugin": "Echo" } ]"""),
        transport: _transport);

    private async Task AcceptingAsync(TestServer server, int count)
    {
        await Deadline.UntilAsync(() => _transport.Waiting == count, $"{count} accept");
        await Deadline.UntilAsync(() => server.Endpoint().Places.Taken == server.Endpoint().Connections.Count + count, "with a place each");
    }

    private static async Task EchoAsync(Client client)
    {
        await client.SendAsync("hello\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
    }
}
