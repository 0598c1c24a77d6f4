using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace PluginServer.Benchmarks;

/// <summary>The host and Kestrel under the same load, in turn, so that what the machine does besides meets both; medians over the rounds.</summary>
internal static class Comparison
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(2);

    public static async Task<int> RunAsync(int rounds, TimeSpan length)
    {
        (string Name, Func<Task<ServerProcess>> Start)[] servers =
        [
            ("PluginServer, epoll", () => ServerProcess.StartHostAsync("epoll")),
            ("PluginServer, sockets", () => ServerProcess.StartHostAsync("sockets")),
            ("Kestrel", ServerProcess.StartKestrelAsync),
        ];
        var figures = new Dictionary<(string Server, Scenario Scenario), List<(double PerCpuSecond, LoadResult Load)>>();
        for (var round = 0; round < rounds; round++)
        {
            foreach (var (name, start) in servers)
            {
                using var server = await start();
                await LoadAsync(Scenario.All[0], server, WarmUp);
                await LoadAsync(Scenario.All[^1], server, WarmUp / 4);
                foreach (var scenario in Scenario.All)
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
        Table("The same as a ratio to Kestrel", figures, figure => figure.PerCpuSecond, "0.00", "Kestrel");
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

    private static void Table(
        string title,
        Dictionary<(string Server, Scenario Scenario), List<(double PerCpuSecond, LoadResult Load)>> figures,
        Func<(double PerCpuSecond, LoadResult Load), double> figure,
        string format,
        string? relativeTo = null)
    {
        double Of(string server, Scenario scenario) => Median(figures[(server, scenario)].Select(figure));
        Console.WriteLine($"| {title} | {string.Join(" | ", Scenario.All.Select(scenario => scenario.Name))} |");
        Console.WriteLine($"|---|{string.Concat(Enumerable.Repeat("---:|", Scenario.All.Count))}");
        foreach (var server in figures.Keys.Select(key => key.Server).Distinct())
        {
            var row = Scenario.All.Select(scenario => (Of(server, scenario) / (relativeTo is null ? 1 : Of(relativeTo, scenario))).ToString(format, CultureInfo.InvariantCulture));
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
