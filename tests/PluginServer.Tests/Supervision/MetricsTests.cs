using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net.Sockets;
using PluginServer.Administration;
using PluginServer.Diagnostics;
using PluginServer.Plugins;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>Each metric with its tags, as the meter's listeners and Prometheus get it.</summary>
internal sealed class MetricsTests
{
    private const string Swap = """{ "name": "swap", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" }""";
    private static readonly string[] OfTest = ["pluginserver_endpoint=test", "pluginserver_plugin=Behaviours"];

    private readonly Workspace _workspace = new();

    private static string Behaviour(string handler, string more = "") =>
        $$"""{ "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "{{handler}}"{{more}} }""";

    [Test]
    public async Task Connections_are_counted_from_the_accept_to_their_end()
    {
        await using var server = await StartAsync(Behaviour("EchoHandler"));
        using var heard = new Heard(server.Server);
        using (var closed = await server.ConnectAsync())
        {
            await EchoAsync(closed, "hello");
            closed.SendFin();
            await closed.ReadToEndAsync();
        }

        using var cut = await server.ConnectAsync();
        await EchoAsync(cut, "cut");
        using var stays = await server.ConnectAsync();
        await EchoAsync(stays, "stays");
        await Deadline.UntilAsync(() => server.Endpoint().Connections.Count == 2, "one has left");
        Assert.That(server.Server.Cut(server.Endpoint().Connections.All.Min(connection => connection.Id)), Is.Not.Null);
        await Deadline.UntilAsync(() => server.Endpoint().Connections.Count == 1, "another was cut");

        var scrape = Scrape.Of(server.Server);
        scrape.AssertBalanced();
        Assert.That(scrape.Sum("pluginserver_accepted_connections_total", OfTest), Is.EqualTo(3));
        Assert.That(scrape.Sum("pluginserver_active_connections", [.. OfTest, "pluginserver_generation=1"]), Is.EqualTo(1));
        Assert.That(scrape.Sum("pluginserver_connection_duration_seconds_count", [.. OfTest, "error_type=cut"]), Is.EqualTo(1));
        Assert.That(scrape.Sum("pluginserver_connection_duration_seconds_count", OfTest), Is.EqualTo(2));
        Assert.That(scrape.Sum("pluginserver_connection_duration_seconds_bucket", [.. OfTest, "error_type=cut", "le=+Inf"]), Is.EqualTo(1));
        Assert.That(scrape.Sum("pluginserver_connection_duration_seconds_sum", OfTest), Is.GreaterThan(0).And.LessThan(100));
        Assert.That(scrape.Sum("pluginserver_received_bytes_total", OfTest), Is.EqualTo(16), "of those inside, too");
        Assert.That(scrape.Sum("pluginserver_sent_bytes_total", OfTest), Is.EqualTo(16));

        heard.Ask();
        Assert.That(heard.Last("pluginserver.accepted_connections", "pluginserver.endpoint=test", "pluginserver.plugin=Behaviours"), Is.EqualTo(3));
        Assert.That(heard.Last("pluginserver.active_connections", "pluginserver.endpoint=test", "pluginserver.generation=1", "pluginserver.plugin=Behaviours"), Is.EqualTo(1));
        Assert.That(heard.Last("pluginserver.received", "pluginserver.endpoint=test", "pluginserver.plugin=Behaviours"), Is.EqualTo(16));
        Assert.That(heard.Last("pluginserver.sent", "pluginserver.endpoint=test", "pluginserver.plugin=Behaviours"), Is.EqualTo(16));
        Assert.That(heard.Count("pluginserver.connection.duration", "pluginserver.endpoint=test", "pluginserver.plugin=Behaviours"), Is.EqualTo(1));
        Assert.That(heard.Count("pluginserver.connection.duration", "error.type=cut", "pluginserver.endpoint=test", "pluginserver.plugin=Behaviours"), Is.EqualTo(1));
    }

    [Test]
    public async Task Faults_are_counted_by_the_type_of_the_exception()
    {
        await using var server = await StartAsync(Behaviour("ThrowingHandler"));
        using var heard = new Heard(server.Server);
        await EndAsync(server);

        await Deadline.UntilAsync(() => server.Endpoint().Counters.Ended == 1, "it has ended");
        var scrape = Scrape.Of(server.Server);
        Assert.That(scrape.Sum("pluginserver_handler_faults_total", [.. OfTest, "error_type=System.IO.InvalidDataException"]), Is.EqualTo(1), scrape.Text);
        Assert.That(scrape.Sum("pluginserver_connection_duration_seconds_count", [.. OfTest, "error_type=fault"]), Is.EqualTo(1));
        heard.Ask();
        Assert.That(heard.Last("pluginserver.handler.faults", "error.type=System.IO.InvalidDataException", "pluginserver.endpoint=test", "pluginserver.plugin=Behaviours"), Is.EqualTo(1));
    }

    [Test]
    public async Task Who_is_rejected_is_counted_by_the_reason_and_not_as_accepted()
    {
        await using var server = await StartAsync(Behaviour("EchoHandler", """, "deny": [ "127.0.0.0/8" ]"""));
        using var heard = new Heard(server.Server);
        await EndAsync(server);

        await Deadline.UntilAsync(() => server.Endpoint().Counters.Rejected == 1, "rejected");
        var scrape = Scrape.Of(server.Server);
        Assert.That(scrape.Sum("pluginserver_rejected_connections_total", [.. OfTest, "reason=denied"]), Is.EqualTo(1));
        Assert.That(scrape.Sum("pluginserver_rejected_connections_total", OfTest), Is.EqualTo(1));
        Assert.That(scrape.Sum("pluginserver_accepted_connections_total", OfTest), Is.Zero);
        heard.Ask();
        Assert.That(heard.Last("pluginserver.rejected_connections", "pluginserver.endpoint=test", "pluginserver.plugin=Behaviours", "reason=denied"), Is.EqualTo(1));
    }

    [Test]
    public async Task Accept_errors_and_restarts_of_acceptors_are_counted()
    {
        var transport = new FaultyTransport();
        _workspace.With("Behaviours").Configure($"[ {Behaviour("EchoHandler")} ]");
        await using var server = await TestServer.StartAsync(_workspace, transport: transport);
        using var heard = new Heard(server.Server);
        transport.LoseNextAccepted(() => new SocketException((int)SocketError.ConnectionAborted));
        using var first = await server.ConnectAsync();
        await Deadline.UntilAsync(() => server.Endpoint().Counters.AcceptErrors == 1, "an error");
        transport.LoseNextAccepted(() => new InvalidOperationException("a bug of ours"));
        using var second = await server.ConnectAsync();
        await Deadline.UntilAsync(() => server.Endpoint().Counters.AcceptorRestarts == 1, "a restart");
        var scrape = Scrape.Of(server.Server);
        Assert.That(scrape.Sum("pluginserver_accept_errors_total", [.. OfTest, "error_type=ConnectionAborted"]), Is.EqualTo(1));
        Assert.That(scrape.Sum("pluginserver_acceptor_restarts_total", OfTest), Is.EqualTo(1));
        heard.Ask();
        Assert.That(heard.Last("pluginserver.accept.errors", "error.type=ConnectionAborted", "pluginserver.endpoint=test", "pluginserver.plugin=Behaviours"), Is.EqualTo(1));
        Assert.That(heard.Last("pluginserver.acceptor.restarts", "pluginserver.endpoint=test", "pluginserver.plugin=Behaviours"), Is.EqualTo(1));
    }

    [Test]
    public async Task Swaps_loads_and_generations_are_counted_and_a_series_of_a_generation_ends_with_it()
    {
        _workspace.With("Swap").Version("one").Configure($"[ {Swap} ]");
        var time = new SkippingTime();
        await using var server = await TestServer.StartAsync(_workspace, time);
        using var heard = new Heard(server.Server);
        using (var old = await server.ConnectAsync("swap"))
        {
            await EchoAsync(old, "?", "one ?");
            _workspace.Version("two");
            Assert.That((await server.Reloader.ReloadAsync().Within()).Accepted, Is.True);
            await server.Reloader.RollbackAsync("Swap").Within();
            await File.WriteAllTextAsync(Path.Combine(_workspace.PluginFolder("Swap"), "Swap.dll"), "no assembly");
            Assert.That((await server.Reloader.ReloadAsync().Within()).Accepted, Is.False);
            await Deadline.UntilAsync(() => server.Server.Generations.Single(generation => generation.Number == 2).State == GenerationState.Unloaded, "2 is unloaded");

            var during = Scrape.Of(server.Server);
            during.AssertBalanced();
            Assert.That(during.Sum("pluginserver_active_connections", "pluginserver_generation=1"), Is.EqualTo(1));
            Assert.That(during.Count("pluginserver_active_connections", "pluginserver_generation=2"), Is.Zero);
            foreach (var (outcome, count) in new[] { (SwapCounters.Swapped, 1), (SwapCounters.RolledBack, 1), (SwapCounters.Rejected, 1) })
            {
                Assert.That(during.Sum("pluginserver_plugin_swaps_total", "pluginserver_plugin=Swap", $"outcome={outcome}"), Is.EqualTo(count), outcome);
            }

            Assert.That(during.Sum("pluginserver_plugin_load_duration_seconds_count", "pluginserver_plugin=Swap"), Is.EqualTo(3));
            Assert.That(during.Sum("pluginserver_plugin_load_duration_seconds_sum", "pluginserver_plugin=Swap"), Is.GreaterThan(0));
            foreach (var (state, count) in new[] { ("active", 1), ("draining", 1), ("unloading", 0), ("unloaded", 1), ("leaked", 0), ("failed", 1) })
            {
                Assert.That(during.Sum("pluginserver_plugin_generations", "pluginserver_plugin=Swap", $"state={state}"), Is.EqualTo(count), state);
            }

            heard.Ask();
            Assert.That(heard.Last("pluginserver.plugin.swaps", "outcome=rolled_back", "pluginserver.plugin=Swap"), Is.EqualTo(1));
            Assert.That(heard.Last("pluginserver.plugin.generations", "pluginserver.plugin=Swap", "state=draining"), Is.EqualTo(1));
            Assert.That(heard.Count("pluginserver.plugin.load.duration", "pluginserver.plugin=Swap"), Is.EqualTo(2), "since somebody listens");
            old.SendFin();
            await old.ReadToEndAsync();
        }

        await Deadline.UntilAsync(() => server.Server.Generations.Single(generation => generation.Number == 1).State == GenerationState.Unloaded, "1 is unloaded");
        var after = Scrape.Of(server.Server);
        after.AssertBalanced();
        Assert.That(after.Count("pluginserver_active_connections", "pluginserver_generation=1"), Is.Zero, "its series ends with it");
        Assert.That(after.Sum("pluginserver_accepted_connections_total", "pluginserver_endpoint=swap"), Is.EqualTo(1), "what it has counted does not");
        Assert.That(after.Sum("pluginserver_connection_duration_seconds_count", "pluginserver_endpoint=swap"), Is.EqualTo(1));
        string[] first = ["pluginserver.endpoint=swap", "pluginserver.generation=1", "pluginserver.plugin=Swap"];
        heard.Ask();
        Assert.That(heard.Last("pluginserver.active_connections", first), Is.Zero, "who keeps what was heard last does not keep a connection that is gone");
        time.Skip(TimeSpan.FromMinutes(6));
        heard.Forget();
        heard.Ask();
        Assert.That(heard.Count("pluginserver.active_connections", first), Is.Zero);
        Scrape.Of(server.Server).AssertBalanced();
    }

    [Test]
    public async Task Every_metric_has_an_instrument_and_no_name_is_there_twice()
    {
        await using var server = await StartAsync(Behaviour("EchoHandler"));
        using var heard = new Heard(server.Server);
        Assert.That(heard.Instruments.Select(instrument => (instrument.Name, instrument.Unit)), Is.EquivalentTo(MetricFamily.All.Select(family => (family.Name, family.Unit))));
        Assert.That(MetricFamily.All.Select(PrometheusText.Name), Is.Unique);
        Assert.That(heard.Instruments.Select(instrument => instrument.Meter.Name).Distinct(), Is.EqualTo(["PluginServer"]));
    }

    [Test]
    public async Task Under_traffic_every_picture_balances_and_no_counter_goes_back()
    {
        await using var server = await StartAsync(Behaviour("EchoHandler"));
        using var end = new CancellationTokenSource();
        var clients = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!end.IsCancellationRequested)
            {
                using var client = await server.ConnectAsync();
                await EchoAsync(client, "hello");
                client.SendFin();
                await client.ReadToEndAsync();
            }
        })).ToList();
        var (accepted, received) = (0.0, 0.0);
        for (var picture = 0; picture < 300; picture++)
        {
            var scrape = Scrape.Of(server.Server);
            scrape.AssertBalanced();
            Assert.That(scrape.Sum("pluginserver_accepted_connections_total", OfTest), Is.GreaterThanOrEqualTo(accepted));
            Assert.That(scrape.Sum("pluginserver_received_bytes_total", OfTest), Is.GreaterThanOrEqualTo(received));
            (accepted, received) = (scrape.Sum("pluginserver_accepted_connections_total", OfTest), scrape.Sum("pluginserver_received_bytes_total", OfTest));
        }

        await end.CancelAsync();
        await Task.WhenAll(clients).Within();
    }

    [Test]
    public async Task Prometheus_own_checker_finds_nothing_to_say()
    {
        if (await Tools.MissingAsync("promtool") is { } missing)
        {
            Assert.Ignore(missing);
        }

        await using var server = await StartAsync(Behaviour("ThrowingHandler", """, "maxConnections": 7"""));
        await EndAsync(server);

        await server.AssertNothingLeftAsync();
        var file = Path.Combine(_workspace.Root, "metrics");
        await File.WriteAllTextAsync(file, Scrape.Of(server.Server).Text);
        Assert.That(await Tools.RunAsync("sh", "-c", $"promtool check metrics < '{file}'"), Is.EqualTo((0, "")));
    }

    [Test]
    public void Labels_and_help_are_escaped()
    {
        var family = new MetricFamily("a.b", MetricKind.Counter, "By", "back\\slash\nline");
        var text = PrometheusText.Of([(family, [new MetricPoint([Tag.Endpoint("a\"b\\c\nd"), Tag.Generation(7)], 3)])]);
        Assert.That(text, Is.EqualTo("# HELP a_b_bytes_total back\\\\slash\\nline\n# TYPE a_b_bytes_total counter\na_b_bytes_total{pluginserver_endpoint=\"a\\\"b\\\\c\\nd\",pluginserver_generation=\"7\"} 3\n"));
    }

    [Test]
    public void Kinds_beyond_the_bound_are_counted_together()
    {
        var counter = new KindCounter();
        for (var kind = 0; kind < KindCounter.MostKinds + 50; kind++)
        {
            counter.Count($"kind {kind}");
            counter.Count("kind 7");
        }

        Assert.That(counter.All, Has.Count.LessThanOrEqualTo(KindCounter.MostKinds + 1));
        Assert.That(counter.Total, Is.EqualTo(2 * (KindCounter.MostKinds + 50)));
        Assert.That(counter.All.Single(count => count.Key == "kind 7").Value, Is.EqualTo(KindCounter.MostKinds + 51));
        Assert.That(counter.All.Single(count => count.Key == KindCounter.Others).Value, Is.EqualTo(50));
    }

    private static async Task EndAsync(TestServer server)
    {
        try
        {
            using var client = await server.ConnectAsync();
            await client.EndsInResetAsync();
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            // The reset came before the connect had returned.
        }
    }

    private static async Task EchoAsync(Client client, string text, string? answer = null)
    {
        await client.SendAsync($"{text}\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo(answer ?? text));
    }

    private Task<TestServer> StartAsync(string endpoint) => TestServer.StartAsync(_workspace.With("Behaviours").Configure($"[ {endpoint} ]"));

    /// <summary>A listener to one host's meter.</summary>
    private sealed class Heard : IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly ConcurrentQueue<(string Name, string Tags, double Value)> _measured = [];

        public Heard(Server server)
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter == server.Instruments.Meter)
                {
                    Instruments.Add(instrument);
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Measured(instrument, value, tags));
            _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Measured(instrument, value, tags));
            _listener.Start();
        }

        public List<Instrument> Instruments { get; } = [];

        public void Ask() => _listener.RecordObservableInstruments();

        public void Forget() => _measured.Clear();

        public double Last(string name, params string[] tags) => _measured.Last(measured => measured.Name == name && measured.Tags == string.Join(',', tags)).Value;

        public int Count(string name, params string[] tags) => _measured.Count(measured => measured.Name == name && measured.Tags == string.Join(',', tags));

        public void Dispose() => _listener.Dispose();

        private void Measured(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
            _measured.Enqueue((instrument.Name, string.Join(',', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}").Order(StringComparer.Ordinal)), value));
    }
}
