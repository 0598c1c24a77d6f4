using System.Collections.Concurrent;
using System.Net;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>Starting, stopping, pausing, resuming and draining over and over, each time interrupted somewhere else.</summary>
[Category("Long")]
internal sealed class InterruptedCyclesTests
{
    private const int Seed = 20261124;
    private readonly Interrupter _interrupter = new();
    private readonly ConcurrentQueue<Task> _elsewhere = new();

    private static int Cycles(int small) => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_CYCLES"), out var cycles) ? cycles : small;

    [Test]
    public async Task Pauses_and_drains_that_are_interrupted_anywhere_hang_nothing_and_leave_nothing_behind()
    {
        var random = new Random(Seed);
        await using var server = await StartAsync(new Workspace().With("Behaviours").Configure(Endpoint()));
        var running = server.Server.Running.Single();
        var (cycles, interrupted, finished) = (Cycles(50), 0, 0);
        for (var cycle = 0; cycle < cycles; cycle++)
        {
            var inside = await ConnectAsync(server, random.Next(4), random);
            using var cancel = new CancellationTokenSource();
            var disturbances = Disturbances(running, random, cancel);
            Arm(random, disturbances[random.Next(disturbances.Length)]);
            running.Pause();
            var waiting = await ConnectAsync(server, random.Next(2), random);
            try
            {
                var outcome = await _interrupter.RunAsync(() => running.DrainAsync(TimeSpan.FromMilliseconds(random.Next(20)), cancel.Token)).Within();
                finished++;
                Assert.That(outcome, Has.Property(nameof(DrainOutcome.Closed)).Not.Negative, $"cycle {cycle}");
            }
            catch (OperationCanceledException)
            {
                interrupted++;
            }

            // Whatever came in between, a drain that nobody disturbs empties it.
            await CalmAsync();
            running.Pause();
            var last = await running.DrainAsync(TimeSpan.FromMilliseconds(random.Next(5)), CancellationToken.None).Within();
            Assert.That(last.IsComplete, Is.True);
            Assert.That(server.Endpoint().Connections.Count, Is.Zero, $"cycle {cycle}");
            Assert.That(running.State, Is.EqualTo(EndpointState.Paused), $"cycle {cycle}: no drain is left");
            running.Resume();
            Assert.That(running.State, Is.EqualTo(EndpointState.Listening));
            await AssertServesAsync(server);
            inside.Concat(waiting).ToList().ForEach(client => client.Dispose());
        }

        TestContext.Out.WriteLine($"{cycles} cycles: {_interrupter.Acted} interrupted, {interrupted} by a cancellation that came in time, {finished} drains went to their end");
        await server.AssertNothingLeftAsync();
        Assert.That(server.Endpoint().Counters.Ended, Is.EqualTo(server.Endpoint().Counters.Accepted));
        Assert.That(server.Endpoint().Counters.AcceptorRestarts, Is.Zero);
        var address = (IPEndPoint)server.Endpoint().LocalEndPoint;
        await Deadline.UntilAsync(() => Ports.Open(address.Port) == 0, "no socket is left");
        await server.StopAsync();
        Ports.AssertFree(address);
    }

    [Test]
    public async Task Hosts_that_start_and_stop_interrupted_anywhere_leave_their_ports_free()
    {
        var random = new Random(Seed);
        using var workspace = new Workspace().With("Behaviours").Configure(Endpoint());
        for (var (cycle, cycles) = (0, Cycles(10)); cycle < cycles; cycle++)
        {
            await using var server = await StartAsync(workspace, keep: true);
            var running = server.Server.Running.Single();
            var address = (IPEndPoint)running.Endpoint.LocalEndPoint;
            var inside = await ConnectAsync(server, random.Next(4), random);
            using var cut = new CancellationTokenSource();
            var drain = Task.FromResult(new DrainOutcome(0, 0, 0, true));
            switch (random.Next(3))
            {
                case 0:
                    running.Pause();
                    break;
                case 1:
                    drain = running.DrainAsync(TimeSpan.FromMilliseconds(random.Next(20)), CancellationToken.None);
                    break;
            }

            Arm(random, cut.Cancel);
            var waiting = await ConnectAsync(server, random.Next(2), random);
            var stop = _interrupter.RunAsync(() => server.StopAsync(cut.Token));
            Disturbances(running, random, cut)[random.Next(1, 6)]();

            // The deaf ones would take the whole shutdownTimeout, unless it was cut at a step.
            await Task.WhenAny(stop, Task.Delay(TimeSpan.FromMilliseconds(random.Next(20)), CancellationToken.None));
            await cut.CancelAsync();
            await stop.Within();
            await drain.Within();
            await CalmAsync();
            await Deadline.UntilAsync(() => Ports.Open(address.Port) == 0, $"cycle {cycle}: no socket is left");
            Ports.AssertFree(address);
            Assert.That(server.Endpoint().Connections.Count, Is.Zero);
            Assert.That(server.Endpoint().Counters.Ended, Is.EqualTo(server.Endpoint().Counters.Accepted));
            await Deadline.UntilAsync(() => server.Endpoint().Places.Taken == 0 && server.Server.Places.Taken == 0, $"cycle {cycle}: places back");
            inside.Concat(waiting).ToList().ForEach(client => client.Dispose());
        }

        TestContext.Out.WriteLine($"{_interrupter.Acted} stops interrupted");
    }

    private static string Endpoint() => """[ { "name": "test", "address": "127.0.0.1", "port": 0, "acceptors": 3, "plugin": "Behaviours", "handler": "ObedientHandler" } ]""";

    /// <summary>What may come in between; the first is the caller's own change of mind.</summary>
    private Action[] Disturbances(RunningEndpoint running, Random random, CancellationTokenSource cancel)
    {
        var (acceptors, timeout) = (random.Next(1, 9), TimeSpan.FromMilliseconds(random.Next(10)));
        return
        [
            cancel.Cancel,
            () => Elsewhere(running.Resume),
            () => Elsewhere(running.Pause),
            () => _elsewhere.Enqueue(running.DrainAsync(timeout, CancellationToken.None)),
            () => Elsewhere(() => running.Update(running.Endpoint.Config with { Acceptors = acceptors })),
            () => Elsewhere(() =>
            {
                running.Resume();
                running.Pause();
            }),
        ];
    }

    private void Elsewhere(Action act) => _elsewhere.Enqueue(Task.Run(act));

    /// <summary>No disturbance comes any more.</summary>
    private async Task CalmAsync()
    {
        _interrupter.Arm(0, () => { });
        while (_elsewhere.TryDequeue(out var task))
        {
            await task.Within();
        }
    }

    private static async Task AssertServesAsync(TestServer server)
    {
        using var client = await server.ConnectAsync();
        await client.SendAsync("who\n");
        client.SendFin();
        Assert.That(await client.ReadTextToEndAsync(), Does.Contain(" test 127.0.0.1:"));
    }

    /// <summary>Half of them will not finish when they are asked to.</summary>
    private static async Task<List<Client>> ConnectAsync(TestServer server, int count, Random random)
    {
        List<Client> clients = [];
        for (var index = 0; index < count; index++)
        {
            clients.Add(await server.ConnectAsync());
            if (random.Next(2) == 0)
            {
                await clients[^1].SendAsync("sleep-until-closed\n");
            }
        }

        return clients;
    }

    private void Arm(Random random, Action act) => _interrupter.Arm(random.Next(1, 9), act);

    private Task<TestServer> StartAsync(Workspace workspace, bool keep = false)
    {
        var transport = new HookedTransport(_interrupter.Time) { OnAccept = _ => _interrupter.Step(), OnAccepted = _ => _interrupter.Step() };
        return TestServer.StartAsync(workspace, _interrupter.Time, transport, keep);
    }
}
