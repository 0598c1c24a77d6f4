using System.Diagnostics;
using System.Globalization;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>A host whose open-file limit is reached by clients.</summary>
[Category("Long")]
internal sealed class OpenFilesTests
{
    private const int OpenFiles = 400;
    private const int Clients = 500;
    private const int Parked = 4;

    // getconf CLK_TCK on every Linux.
    private const double TicksPerSecond = 100;

    private static int Seconds => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_EMFILE_SECONDS"), out var seconds) ? seconds : 3;

    [Test]
    [Platform("Linux")]
    public async Task A_host_at_its_open_file_limit_serves_those_inside_and_goes_on_when_descriptors_come_free()
    {
        using var workspace = new Workspace().With("Echo", "Behaviours").Configure(
            """
            [ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo" },
              { "name": "parked", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "ParkedHandler" } ]
            """,
            more: "\"maxConnections\": 100000,");
        using var host = await HostProcess.StartLimitedAsync(workspace, OpenFiles);
        await host.SettledAsync();
        var parked = await ConnectAsync(host, "parked", Parked);
        var clients = await ConnectAsync(host, "test", Clients);
        var served = clients.ConvertAll(PingAsync);
        await Deadline.UntilAsync(() => host.Output.Contains("accept failed with TooManyOpenSockets", StringComparison.Ordinal), "the limit is reached");

        // What the host itself had open for a moment goes to those who wait, when acceptors look again.
        var (inside, since) = (0, Stopwatch.GetTimestamp());
        await Deadline.UntilAsync(
            async () =>
            {
                var now = await InsideAsync(host, "test");
                if (now != inside || served.Count(ping => ping.IsCompleted) != now)
                {
                    (inside, since) = (now, Stopwatch.GetTimestamp());
                }

                return Stopwatch.GetElapsedTime(since) > 2 * AcceptBackoff.Longest;
            },
            () => $"{inside} inside, {served.Count(ping => ping.IsCompleted)} answered");
        var live = clients.Where((_, index) => served[index].IsCompleted).ToList();
        Assert.That(live, Has.Count.InRange(OpenFiles / 4, OpenFiles));
        await Task.WhenAll(live.Select(PingAsync));
        await Deadline.UntilAsync(() => IsQuietAsync(host), () => "what the questions above have made the runtime compile is compiled");

        // Held: nobody is lost, and hardly a processor is used. Who comes in has got what the host itself needed no longer.
        var (lines, used, watch) = (LinesOf(host), ProcessorTime(host.Id), Stopwatch.StartNew());
        while (watch.Elapsed.TotalSeconds < Seconds)
        {
            await Task.Delay(TimeSpan.FromSeconds(1));
            await Task.WhenAll(live.Select(PingAsync)).Within();
        }

        var held = watch.Elapsed.TotalSeconds;
        var share = (ProcessorTime(host.Id) - used) / held;
        var written = LinesOf(host) - lines;
        Assert.That(await InsideAsync(host, "test"), Is.AtLeast(inside), "and the administration answers");

        // Threads that the pool needs now are started too.
        await Task.WhenAll(parked.Select(client => client.SendAsync("x")));
        await Task.WhenAll(live.Select(PingAsync)).Within();
        parked.ForEach(client => client.Dispose());

        // One leaves, and one who waits is served; then all.
        var waiting = served.Where(ping => !ping.IsCompleted).ToList();
        watch.Restart();
        live[0].Dispose();
        await Task.WhenAny(waiting).Within();
        var next = watch.Elapsed;
        await Task.WhenAll(served.Select(async (ping, index) =>
        {
            await ping;
            clients[index].Dispose();
        })).Within();
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{inside} inside at a limit of {OpenFiles}: {share:P1} of a processor and {written} log lines in {held:0.0} s; a free descriptor was used after {next.TotalMilliseconds:0} ms"));

        Assert.That(share, Is.LessThan(0.1));
        Assert.That(written, Is.LessThanOrEqualTo(Math.Ceiling(held) + 1));
        Assert.That(next, Is.LessThan(TimeSpan.FromSeconds(1)));
    }

    private static async Task<List<Client>> ConnectAsync(HostProcess host, string endpoint, int count)
    {
        var clients = new List<Client>();
        for (var number = 0; number < count; number++)
        {
            clients.Add(await host.ConnectAsync(endpoint));
        }

        return clients;
    }

    private static async Task PingAsync(Client client)
    {
        await client.SendAsync("ping\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("ping"));
    }

    private static async Task<int> InsideAsync(HostProcess host, string endpoint)
    {
        var status = await host.CallAsync(HttpMethod.Get, "/api/status");
        return (int)status["endpoints"]!.Single(one => (string?)one["name"] == endpoint)["activeConnections"]!;
    }

    private static int LinesOf(HostProcess host) => host.Output.Split('\n').Count(line => line.Contains("Endpoint test:", StringComparison.Ordinal));

    private static async Task<bool> IsQuietAsync(HostProcess host)
    {
        var (used, since) = (ProcessorTime(host.Id), Stopwatch.GetTimestamp());
        await Task.Delay(TimeSpan.FromSeconds(1));
        return (ProcessorTime(host.Id) - used) / Stopwatch.GetElapsedTime(since).TotalSeconds < 0.05;
    }

    /// <summary>In seconds: utime and stime of proc(5), /proc/PID/stat.</summary>
    private static double ProcessorTime(int process)
    {
        var stat = File.ReadAllText($"/proc/{process}/stat");
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / TicksPerSecond;
    }
}
