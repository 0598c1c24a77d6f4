using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>Emptying an endpoint that stays: who finishes, who is cut, and what may come in between.</summary>
internal sealed class DrainTests
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);
    private ManualTime _time = null!;
    private HookedTransport _transport = null!;
    private TestServer _server = null!;

    [SetUp]
    public async Task StartAsync()
    {
        _time = new ManualTime();
        _transport = new HookedTransport(_time);
        _server = await TestServer.StartAsync(
            new Workspace().With("Behaviours").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "ObedientHandler" } ]"""),
            _time,
            _transport);
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        _transport.Dispose();
    }

    [Test]
    public async Task It_says_who_finished_who_closed_and_who_was_cut_and_ends_paused_with_the_backlog_waiting()
    {
        var polite = await InsideAsync(3, null);
        var lost = await InsideAsync(2, "sleep-until-closed");
        var deaf = await InsideAsync(4, "sleep-until-closed");
        var drain = Running.DrainAsync(Timeout, CancellationToken.None);
        Assert.That(State, Is.EqualTo("draining"));
        foreach (var client in polite)
        {
            Assert.That(await client.ReadToEndAsync(), Is.Empty, "asked to finish");
            client.Dispose();
        }

        using var waiting = await _server.ConnectAsync();
        lost.ForEach(client => client.Reset());
        await Deadline.UntilAsync(() => _server.Endpoint().Connections.Count == 4 && _time.NextDue == Timeout, "only the deaf ones are left");
        Assert.That(State, Is.EqualTo("draining"));
        Assert.That(drain.IsCompleted, Is.False);
        _time.Advance(Timeout);
        foreach (var client in deaf)
        {
            Assert.That(await client.EndsInResetAsync(), Is.True);
            client.Dispose();
        }

        Assert.That(await drain.Within(), Is.EqualTo(new DrainOutcome(3, 2, 4, IsComplete: true)));
        Assert.That(State, Is.EqualTo("paused"));
        Assert.That(_server.Log, Has.Some.Contains("was drained: 3 finished, 2 closed, 4 cut"));
        Assert.That(await Running.DrainAsync(Timeout, CancellationToken.None).Within(), Is.EqualTo(new DrainOutcome(0, 0, 0, IsComplete: true)), "nobody is inside any more");
        Running.Resume();
        await WhoAsync(waiting);
    }

    [Test]
    public async Task A_handler_that_does_not_return_when_it_is_cut_is_left_behind_after_a_while()
    {
        await StopAsync();
        _transport = new HookedTransport(_time);
        _server = await TestServer.StartAsync(
            new Workspace().With("Behaviours").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "StubbornHandler" } ]"""),
            _time,
            _transport);
        using var client = await _server.ConnectAsync();
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
        var drain = Running.DrainAsync(Timeout, CancellationToken.None);
        await PassAsync(Timeout);
        Assert.That(await client.EndsInResetAsync(), Is.True);
        await PassAsync(TimeSpan.FromSeconds(5));
        Assert.That(await drain.Within(), Is.EqualTo(new DrainOutcome(0, 0, 1, IsComplete: true)));
        Assert.That(_server.Endpoint().Connections.Count, Is.EqualTo(1), "and keeps its place");
        var stop = _server.StopAsync();
        await PassAsync(Timeout);
        await PassAsync(TimeSpan.FromSeconds(5));
        await stop;
    }

    /// <summary>Who came in after everyone was asked to finish: his handler may wait for nothing else.</summary>
    [Test]
    public async Task Whoever_is_cut_unasked_is_asked_too()
    {
        await using var server = await TestServer.StartAsync("Misbehaving", "UnreadingHandler");
        using var client = await server.ConnectAsync();
        var inside = server.Endpoint().Connections;
        await Deadline.UntilAsync(() => inside.Count == 1, "the client is inside");
        Assert.That(inside.Cut("the test cut it"), Is.EqualTo(1));
        await inside.WhenEmpty().Within();
        Assert.That(await client.EndsInResetAsync(), Is.True);
    }

    [Test]
    public async Task Two_drains_at_once_each_have_their_deadline_and_the_shorter_one_cuts()
    {
        var deaf = await InsideAsync(2, "sleep-until-closed");
        var patient = Running.DrainAsync(Timeout, CancellationToken.None);
        var hasty = Running.DrainAsync(TimeSpan.FromSeconds(1), CancellationToken.None);
        await PassAsync(TimeSpan.FromSeconds(1));
        Assert.That(await patient.Within(), Is.EqualTo(new DrainOutcome(0, 0, 2, IsComplete: true)));
        Assert.That(await hasty.Within(), Is.EqualTo(new DrainOutcome(0, 0, 2, IsComplete: true)));
        Assert.That(State, Is.EqualTo("paused"));
        deaf.ForEach(client => client.Dispose());
    }

    [Test]
    public async Task One_that_is_cancelled_cuts_nobody_and_the_next_one_goes_on()
    {
        var deaf = await InsideAsync(2, "sleep-until-closed");
        using var cancel = new CancellationTokenSource();
        var interrupted = Running.DrainAsync(Timeout, cancel.Token);
        var beside = Running.DrainAsync(Timeout, CancellationToken.None);
        await cancel.CancelAsync();
        await Assert.CatchAsync<OperationCanceledException>(() => interrupted.Within());
        Assert.That(State, Is.EqualTo("draining"), "the other one goes on");
        Assert.That(_server.Endpoint().Connections.Count, Is.EqualTo(2));
        await PassAsync(Timeout);
        Assert.That((await beside.Within()).Cut, Is.EqualTo(2));
        Assert.That(State, Is.EqualTo("paused"));
        deaf.ForEach(client => client.Dispose());
        await Assert.CatchAsync<OperationCanceledException>(() => Running.DrainAsync(Timeout, new CancellationToken(canceled: true)).Within());
    }

    [Test]
    public async Task A_resume_ends_it_with_nobody_cut()
    {
        var deaf = await InsideAsync(1, "sleep-until-closed");
        var drain = Running.DrainAsync(Timeout, CancellationToken.None);
        using var waiting = await _server.ConnectAsync();
        Running.Pause();
        Assert.That(State, Is.EqualTo("draining"), "a pause changes nothing");
        Running.Resume();
        Assert.That(State, Is.EqualTo("listening"));
        Assert.That(await drain.Within(), Is.EqualTo(new DrainOutcome(0, 0, 0, IsComplete: false)));
        await WhoAsync(waiting);
        await Deadline.UntilAsync(() => _server.Endpoint().Connections.Count == 1, "the other one has gone");
        Assert.That(_server.Endpoint().Connections.All.Single().Transport.End.Reason, Is.Null);
        deaf[0].Dispose();
    }

    [Test]
    public async Task A_stop_of_the_host_takes_over()
    {
        var deaf = await InsideAsync(1, "sleep-until-closed");
        var drain = Running.DrainAsync(TimeSpan.FromHours(1), CancellationToken.None);
        var stop = _server.StopAsync();
        Assert.That(await drain.Within(), Is.EqualTo(new DrainOutcome(0, 0, 0, IsComplete: false)));
        await PassAsync(Timeout);
        Assert.That(await deaf[0].EndsInResetAsync(), Is.True);
        Assert.That(await stop, Is.EqualTo(1));
        Assert.That(State, Is.EqualTo("draining"));
        deaf[0].Dispose();
    }

    [Test]
    public async Task Who_was_accepted_but_not_let_in_yet_is_told_too_or_cut()
    {
        await StopAsync();
        _transport = new HookedTransport(_time);
        _server = await TestServer.StartAsync(
            new Workspace().With("Behaviours").Configure("""
                [ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "ObedientHandler" },
                  { "name": "other", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "ObedientHandler" } ]
                """, more: "\"maxConnections\": 1,"),
            _time,
            _transport);
        var inside = await _server.ConnectAsync("other");
        await Deadline.UntilAsync(() => _server.Endpoint("other").Connections.Count == 1, "the host is full");
        using (var told = await AcceptedAsync())
        {
            var drain = Running.DrainAsync(Timeout, CancellationToken.None);
            inside.Dispose();
            Assert.That(await told.ReadToEndAsync(), Is.Empty);
            told.Dispose();
            Assert.That(await drain.Within(), Is.EqualTo(new DrainOutcome(1, 0, 0, IsComplete: true)));
        }

        inside = await _server.ConnectAsync("other");
        await Deadline.UntilAsync(() => _server.Endpoint("other").Connections.Count == 1, "the host is full again");
        Running.Resume();
        using var cut = await AcceptedAsync();
        var second = Running.DrainAsync(Timeout, CancellationToken.None);
        await PassAsync(Timeout);
        Assert.That((await second.Within()).IsComplete, Is.True);
        await cut.EndsInResetAsync();
        await Deadline.UntilAsync(() => _server.Endpoint().Places.Taken == 0, "its place came back");
        inside.Dispose();
    }

    private RunningEndpoint Running => _server.Server.Running.Single(running => running.Endpoint.Name == "test");

    private string State => _server.Reloader.Status().Endpoints.Single(endpoint => endpoint.Name == "test").State;

    /// <summary>Accepted, and waiting for the host's limit.</summary>
    private async Task<Client> AcceptedAsync()
    {
        var client = await _server.ConnectAsync();
        await Deadline.UntilAsync(() => _server.Endpoint().Places.Taken == 1 && _transport.Waiting == 1, "accepted");
        return client;
    }

    private async Task<List<Client>> InsideAsync(int count, string? order)
    {
        List<Client> clients = [];
        for (var index = 0; index < count; index++)
        {
            var client = await _server.ConnectAsync();
            clients.Add(client);
            if (order is not null)
            {
                await client.SendAsync($"{order}\n");
                var answer = new byte["sleeping".Length];
                Assert.That(await client.Socket.ReceiveAsync(answer, Deadline.Token), Is.EqualTo(answer.Length));
            }
        }

        await Deadline.UntilAsync(() => _server.Endpoint().Connections.Count >= count && _transport.Waiting == 1, "inside");
        return clients;
    }

    private async Task WhoAsync(Client client)
    {
        await client.SendAsync("who\n");
        client.SendFin();
        Assert.That(await client.ReadTextToEndAsync(), Does.Contain(" test 127.0.0.1:"));
        client.Dispose();
        await Deadline.UntilAsync(() => _transport.Waiting == 1, "accepting");
    }

    /// <summary>Waits until that delay is the next to end, and lets it pass.</summary>
    private async Task PassAsync(TimeSpan delay)
    {
        await Deadline.UntilAsync(() => _time.NextDue == delay, $"a delay of {delay}");
        _time.Advance(delay);
    }
}
