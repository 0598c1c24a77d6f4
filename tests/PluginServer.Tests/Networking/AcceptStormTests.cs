using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>Every accept error, once and as a storm: the acceptor lives or is replaced, those inside notice nothing, and the next
/// client is served.</summary>
[Category("Long")]
internal sealed class AcceptStormTests
{
    private static readonly Lock Gate = new();
    private static (TimeSpan Took, SocketError After) _worst;

    // No wait of an endpoint that backs off or has failed is longer.
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(30);

    private readonly ManualTime _time = new();
    private TimeSpan _passed;

    private static long Size => long.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_STORM"), out var size) ? size : 250;

    private static IEnumerable<SocketError> Errors => Enum.GetValues<SocketError>().Distinct();

    [OneTimeTearDown]
    public static void Worst() => TestContext.Progress.WriteLine($"the next client after {Size} accept errors was served within {_worst.Took.TotalMilliseconds:0.0} ms, the worst after {_worst.After}");

    [TestCaseSource(nameof(Errors))]
    public async Task Costs_nobody_else_anything(SocketError error)
    {
        var transport = new FaultyTransport(DefaultTransport.Create(TimeProvider.System), _time);
        await using var server = await TestServer.StartAsync(
            new Workspace().With("Echo").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]"""), _time, transport);
        using var live = await server.ConnectAsync();
        await AssertEchoAsync(live);
        using var over = new CancellationTokenSource();
        var pings = Task.Run(() => PingAsync(live, over.Token));

        foreach (var times in new[] { 1, Size })
        {
            var counters = server.Endpoint().Counters;
            var (errors, restarts) = (counters.AcceptErrors, counters.AcceptorRestarts);
            transport.FailAccepts(error, times);
            await PassUntilAsync(() => transport.Failed == times, $"{times} errors");
            var watch = Stopwatch.StartNew();
            var next = AcceptFaults.Classify(error) == AcceptFault.Stop ? ServeSoonAsync(server) : ServeAsync(server);
            await PassUntilAsync(() => next.IsCompleted, "the next client is served");
            await next;
            Remember(watch.Elapsed, error);

            Assert.That(counters.AcceptErrors - errors, Is.EqualTo(times));
            Assert.That(counters.AcceptorRestarts - restarts, AcceptFaults.Classify(error) == AcceptFault.Stop ? Is.Positive : Is.Zero);
        }

        await over.CancelAsync();
        Assert.That(await pings.Within(), Is.Positive);
        AssertOneLineASecond(server, "accept failed");
        AssertOneLineASecond(server, "the acceptor failed");
    }

    private static void Remember(TimeSpan took, SocketError after)
    {
        lock (Gate)
        {
            if (took > _worst.Took)
            {
                _worst = (took, after);
            }
        }
    }

    private static async Task ServeAsync(TestServer server)
    {
        using var client = await server.ConnectAsync();
        await AssertEchoAsync(client);
    }

    /// <summary>The listening socket passed for broken and is opened anew, so who comes at that moment is refused once.</summary>
    private static async Task ServeSoonAsync(TestServer server)
    {
        for (var watch = Stopwatch.StartNew(); ;)
        {
            try
            {
                await ServeAsync(server);
                return;
            }
            catch (Exception error) when (error is SocketException or EndOfStreamException && watch.Elapsed < Deadline.Length)
            {
                await Task.Yield();
            }
        }
    }

    private static async Task<int> PingAsync(Client client, CancellationToken over)
    {
        var pings = 0;
        for (; !over.IsCancellationRequested; pings++)
        {
            await AssertEchoAsync(client);
        }

        return pings;
    }

    private static async Task AssertEchoAsync(Client client)
    {
        await client.SendAsync("ping\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("ping"));
    }

    private void AssertOneLineASecond(TestServer server, string what)
    {
        // The first, and one at the end of each second.
        var lines = server.Log.Count(line => line.Contains(what, StringComparison.Ordinal));
        Assert.That(lines, Is.LessThanOrEqualTo(1 + Math.Ceiling(_passed.TotalSeconds)), () => string.Create(CultureInfo.InvariantCulture, $"{what} in {_passed}"));
    }

    /// <summary>Lets time pass from wait to wait of whoever backs off.</summary>
    private async Task PassUntilAsync(Func<bool> condition, string what)
    {
        var watch = Stopwatch.StartNew();
        while (!condition())
        {
            if (_time.NextDue is { } due && due <= LongestWait)
            {
                _passed += due;
                _time.Advance(due);
            }

            Assert.That(watch.Elapsed, Is.LessThan(Deadline.Length + TimeSpan.FromMilliseconds(Size)), what);
            await Task.Yield();
        }
    }
}
