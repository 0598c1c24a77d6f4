using System.Net;
using System.Net.Sockets;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>An endpoint that cannot be kept alive: what it costs itself, what it costs nobody else, and how it comes back.</summary>
internal sealed class FailedEndpointTests
{
    private static readonly double[] Delays = [5, 10, 20, 40, 80, 1000];
    private ManualTime _time = null!;
    private HookedTransport _transport = null!;
    private TestServer _server = null!;
    private volatile int _crashing;

    [SetUp]
    public async Task StartAsync()
    {
        _crashing = 0;
        _time = new ManualTime();
        _transport = new HookedTransport(_time) { OnAccept = CrashIfTold };
        _server = await TestServer.StartAsync(
            new Workspace().With("Echo").Configure("""
                [ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo" },
                  { "name": "other", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]
                """),
            _time,
            _transport);
        await Deadline.UntilAsync(() => _transport.Waiting == 2, "both accept");
    }

    [TearDown]
    public async Task StopAsync()
    {
        await _server.DisposeAsync();
        _transport.Dispose();
    }

    [Test]
    public async Task An_acceptor_that_dies_for_ever_costs_its_own_endpoint_new_connections_and_nobody_else_anything()
    {
        using var inside = await _server.ConnectAsync();
        await EchoAsync(inside);
        await CrashAsync();
        foreach (var retry in new[] { 1000, 2000, 4000, 8000, 16_000, 30_000 })
        {
            Assert.That(State(), Is.EqualTo("failed"));
            await EchoAsync(inside);
            using var other = await _server.ConnectAsync("other");
            await EchoAsync(other);
            await PassAsync(retry);
        }

        await Deadline.UntilAsync(() => _time.NextDue == TimeSpan.FromSeconds(30), "tried in vain again");
        Assert.That(_server.Endpoint().Counters.AcceptorRestarts, Is.EqualTo(12));
        Assert.That(Lines("has failed"), Is.EqualTo(7), "a line for each retry");
        Assert.That(_server.Log, Has.Some.Contains("Endpoint test on 127.0.0.1:").And.Some.Contains("tried again in 00:00:30; those inside are served: System.InvalidOperationException: a bug of ours"));
        Assert.That(State("other"), Is.EqualTo("listening"));
        Assert.That(_server.Endpoint("other").Counters.AcceptorRestarts, Is.Zero);
    }

    [Test]
    public async Task It_listens_again_with_the_first_connection_after_a_retry()
    {
        await CrashAsync();
        using var waiting = await _server.ConnectAsync();
        _crashing = 0;
        _time.Advance(TimeSpan.FromSeconds(1));
        await EchoAsync(waiting);
        await Deadline.UntilAsync(() => State() == "listening", "recovered");
        Assert.That(Lines("has recovered"), Is.EqualTo(1));

        // And its past is forgiven.
        await CrashAsync();
    }

    [Test]
    public async Task It_listens_again_when_an_acceptor_has_held_for_ten_seconds()
    {
        await CrashAsync();
        _crashing = 0;
        _time.Advance(TimeSpan.FromSeconds(1));
        await Deadline.UntilAsync(() => _transport.Waiting == 2 && _time.NextDue == TimeSpan.FromSeconds(10), "it is tried");
        Assert.That(State(), Is.EqualTo("failed"));
        _time.Advance(TimeSpan.FromSeconds(10));
        await Deadline.UntilAsync(() => State() == "listening", "recovered");
    }

    [Test]
    public async Task A_pause_ends_the_retries_and_a_resume_tries_at_once()
    {
        await CrashAsync();
        Running.Pause();
        Assert.That(State(), Is.EqualTo("paused"));
        await Deadline.UntilAsync(() => _time.Timers == 0, "no retry waits");
        using var waiting = await _server.ConnectAsync();
        _crashing = 0;
        Running.Resume();
        Assert.That(State(), Is.EqualTo("listening"));
        await EchoAsync(waiting);
    }

    [Test]
    public async Task A_broken_listening_socket_is_opened_anew_on_the_same_port_and_nobody_inside_notices()
    {
        var port = _server.Endpoint().Port;
        for (var round = 1; round <= 3; round++)
        {
            using var inside = await _server.ConnectAsync();
            await EchoAsync(inside);
            _transport.Listening(port).Shutdown(SocketShutdown.Both);
            await PassAsync(Delays[round - 1]);
            await Deadline.UntilAsync(() => _transport.Waiting == 2, "accepting again");
            Assert.That(_server.Endpoint().Port, Is.EqualTo(port));
            using var after = await _server.ConnectAsync();
            await EchoAsync(after);
            await EchoAsync(inside);
            Assert.That(_server.Endpoint().Counters.AcceptorRestarts, Is.EqualTo(round));
        }

        Assert.That(State(), Is.EqualTo("listening"));
        Assert.That(_server.Log, Has.Some.Contains("its listening socket is broken (InvalidArgument)"));
        Assert.That(Lines("was opened anew"), Is.EqualTo(3));
    }

    [Test]
    public async Task A_port_that_somebody_took_meanwhile_fails_the_endpoint_until_it_is_free()
    {
        var port = _server.Endpoint().Port;
        using var inside = await _server.ConnectAsync();
        await EchoAsync(inside);
        _transport.Listening(port).Shutdown(SocketShutdown.Both);
        await Deadline.UntilAsync(() => _time.NextDue == TimeSpan.FromMilliseconds(5), "the break is noticed");
        using (var taker = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            taker.Bind(new IPEndPoint(IPAddress.Loopback, port));
            taker.Listen();
            foreach (var delay in Delays[..^1])
            {
                await PassAsync(delay);
            }

            await Deadline.UntilAsync(() => _time.NextDue == TimeSpan.FromSeconds(1), "failed");
            Assert.That(State(), Is.EqualTo("failed"));
            Assert.That(_server.Log, Has.Some.Contains($"those inside are served: port {port} is in use"));

            // An edit of what cannot be edited now must not fail the change that it is a part of.
            var file = _server.Workspace.ConfigFile;
            await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file)).Replace("\"name\": \"test\",", "\"name\": \"test\", \"backlog\": 77,", StringComparison.Ordinal));
            var outcome = await _server.Reloader.ReloadAsync();
            Assert.That(outcome.Accepted, Is.True, string.Join(' ', outcome.Errors));
        }

        await EchoAsync(inside);
        await PassAsync(1000);
        await Deadline.UntilAsync(() => _transport.Waiting == 2, "accepting again");
        using var after = await _server.ConnectAsync();
        await EchoAsync(after);
        await Deadline.UntilAsync(() => State() == "listening", "recovered");
        await EchoAsync(inside);
    }

    [Test]
    public async Task A_failed_endpoint_stops_like_any_other()
    {
        using var inside = await _server.ConnectAsync();
        await EchoAsync(inside);
        await CrashAsync();
        var stop = _server.StopAsync();
        Assert.That(await inside.ReadToEndAsync(), Is.Empty);
        inside.Dispose();
        Assert.That(await stop, Is.Zero);
    }

    private RunningEndpoint Running => _server.Server.Running.Single(running => running.Endpoint.Name == "test");

    private void CrashIfTold(int port)
    {
        if (port == _crashing)
        {
            throw new InvalidOperationException("a bug of ours");
        }
    }

    private string State(string name = "test") => _server.Reloader.Status().Endpoints.Single(endpoint => endpoint.Name == name).State;

    private int Lines(string text) => _server.Log.Count(line => line.Contains(text, StringComparison.Ordinal));

    /// <summary>Lets the acceptor die until the endpoint has failed.</summary>
    private async Task CrashAsync()
    {
        var port = _server.Endpoint().Port;
        var restarts = _server.Endpoint().Counters.AcceptorRestarts;
        _crashing = port;

        // The accept that waits is still fine; the next one is not.
        using var last = await _server.ConnectAsync();
        await EchoAsync(last);
        foreach (var delay in Delays[..^1])
        {
            Assert.That(State(), Is.EqualTo("listening"));
            await PassAsync(delay);
        }

        await Deadline.UntilAsync(() => _time.NextDue == TimeSpan.FromSeconds(1), "failed");
        Assert.That(State(), Is.EqualTo("failed"));
        Assert.That(_server.Endpoint().Counters.AcceptorRestarts - restarts, Is.EqualTo(6));
    }

    /// <summary>Waits until that delay is the one that runs, and lets it pass.</summary>
    private async Task PassAsync(double milliseconds)
    {
        await Deadline.UntilAsync(() => _time.NextDue == TimeSpan.FromMilliseconds(milliseconds), $"a delay of {milliseconds} ms");
        _time.Advance(TimeSpan.FromMilliseconds(milliseconds));
    }

    private static async Task EchoAsync(Client client)
    {
        await client.SendAsync("hello\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
    }
}
