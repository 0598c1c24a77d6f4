using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace PluginServer.Benchmarks;

/// <summary>The host and Kestrel under the same load, in turn, so that what the machine does besides meets both; medians over the rounds.</summary>
internal sealed class Comparison(IReadOnlyList<(string Name, Func<Task<ServerProcess>> Start)> servers, IReadOnlyList<Scenario> scenarios)
{
    private static readonly TimeSpan ShortestWarmUp = TimeSpan.FromSeconds(2);

    public static Task<int> RunAsync(int rounds, TimeSpan length) => new Comparison(
        [
            ("PluginServer, epoll", () => ServerProcess.StartHostAsync("epoll")),
            ("PluginServer, sockets", () => ServerProcess.StartHostAsync("sockets")),
            ("Kestrel", () => ServerProcess.StartKestrelAsync()),
        ],
        Scenario.Plain).CompareAsync(rounds, length);

    /// <summary>Both with the same certificate, of a key as most have it today, and each with its own choice of cipher suites.</summary>
    public static async Task<int> RunEncryptedAsync(int rounds, TimeSpan length)
    {
        using var certificate = new ServerCertificateFiles();
        return await new Comparison(
            [
                ("PluginServer, epoll", () => ServerProcess.StartHostAsync("epoll", certificate)),
                ("PluginServer, sockets", () => ServerProcess.StartHostAsync("sockets", certificate)),
                ("Kestrel, UseHttps", () => ServerProcess.StartKestrelAsync(certificate)),
            ],
            Scenario.Encrypted).CompareAsync(rounds, length);
    }

    private async Task<int> CompareAsync(int rounds, TimeSpan length)
    {
        var warmUp = length > ShortestWarmUp ? length : ShortestWarmUp;
        var figures = new Dictionary<(string Server, Scenario Scenario), List<(double PerCpuSecond, LoadResult Load)>>();
        for (var round = 0; round < rounds; round++)
        {
            // To and fro, so that none is always the first after another.
            foreach (var (name, start) in round % 2 == 0 ? servers : servers.Reverse())
            {
                using var server = await start();
                await LoadAsync(scenarios[0], server, warmUp);
                await LoadAsync(scenarios[^1], server, warmUp / 4);
                foreach (var scenario in scenarios)
                {
                    var before = server.Cpu;
                    var load = await LoadAsync(scenario, server, length);
                    var used = (server.Cpu - before).TotalSeconds;
                    Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"round {round + 1}, {name}, {scenario.Name}: {load.PerSecond:0}/s, {used:0.00} CPU s, p99 {load.P99:0} µs, {load.Errors} errors"));
                    if (!figures.TryGetValue((name, scenario), out var list))
                    {
                        figures[(name, scenario)] = list = [];
                    }

                    list.Add((load.PerSecond * length.TotalSeconds / used, load));
                }
            }
        }

        Console.WriteLine($"{rounds} rounds of {length.TotalSeconds} s, medians; {Environment.ProcessorCount} processors, .NET {Environment.Version}; the load is a process of its own on the same machine.\n");
        Table("Round trips (churn: connections) per second of server CPU", figures, figure => figure.PerCpuSecond, "0");
        Table("The same as a ratio to Kestrel", figures, figure => figure.PerCpuSecond, "0.00", servers[^1].Name);
        Table("Per second", figures, figure => figure.Load.PerSecond, "0");
        Table("p99, µs", figures, figure => figure.Load.P99, "0");
        var errors = figures.Values.SelectMany(list => list).Sum(figure => figure.Load.Errors);
        Console.WriteLine($"{errors} errors.");
        return errors == 0 ? 0 : 1;
    }

    private static async Task<LoadResult> LoadAsync(Scenario scenario, ServerProcess server, TimeSpan length)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(Comparison).Assembly.Location, "load", scenario.Name, $"{server.Port}", length.TotalSeconds.ToString(CultureInfo.InvariantCulture)]) { RedirectStandardOutput = true };
        start.Environment["DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS"] = "1";
        start.Environment["DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT"] = "1";
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return JsonSerializer.Deserialize<LoadResult>(output)!;
    }

    private void Table(
        string title,
        Dictionary<(string Server, Scenario Scenario), List<(double PerCpuSecond, LoadResult Load)>> figures,
        Func<(double PerCpuSecond, LoadResult Load), double> figure,
        string format,
        string? relativeTo = null)
    {
        double Of(string server, Scenario scenario) => Median(figures[(server, scenario)].Select(figure));
        Console.WriteLine($"| {title} | {string.Join(" | ", scenarios.Select(scenario => scenario.Name))} |");
        Console.WriteLine($"|---|{string.Concat(Enumerable.Repeat("---:|", scenarios.Count))}");
        foreach (var (server, _) in servers)
        {
            var row = scenarios.Select(scenario => (Of(server, scenario) / (relativeTo is null ? 1 : Of(relativeTo, scenario))).ToString(format, CultureInfo.InvariantCulture));
            Console.WriteLine($"| {server} | {string.Join(" | ", row)} |");
        }

        Console.WriteLine();
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
    }
}
