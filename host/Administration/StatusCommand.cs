using System.Net;
using System.Runtime.InteropServices;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace PluginServer.Administration;

/// <summary>Shows what the running host does: once, or over and over.</summary>
internal static class StatusCommand
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    public static Task<int> RunAsync(CommandContext context, string file, bool json, CancellationToken cancellationToken) =>
        RemoteVerb.RunAsync(context, file, HttpMethod.Get, "/api/status", json, Print, cancellationToken);

    /// <summary>Until Ctrl-C, which is success, or no host answers: on a terminal always in the same place; otherwise one after the other,
    /// as JSON one object a line.</summary>
    public static async Task<int> WatchAsync(CommandContext context, string file, bool json, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        void OnSignal(PosixSignalContext signal)
        {
            signal.Cancel = true;
            stop.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        try
        {
            while (true)
            {
                var answer = await ControlClient.SendAsync(HttpMethod.Get, "/api/status", file, stop.Token);
                if (answer is not { Status: 200, Json: { } status })
                {
                    return context.Fail([$"the host answered {answer.Status} to /api/status"]);
                }

                if (json)
                {
                    context.Output.WriteLine(status.ToString(Formatting.None));
                }
                else
                {
                    context.Report.Screen(report => Print(report, status));
                }

                await context.Output.FlushAsync(stop.Token);
                await Task.Delay(Interval, stop.Token);
            }
        }
        catch (NoHostException problem)
        {
            return context.NoHost(problem);
        }
        catch (OperationCanceledException)
        {
            return 0;
        }
    }

    private static int Print(Report report, JObject status)
    {
        var config = status["config"]!;
        PrintProblems(report, status);
        report.Line($"PluginServer {status["version"]}, pid {status["pid"]}, since {status["startedAt"]}, revision {status["revision"]}, {config["path"]}{((bool)status["ready"]! ? "" : ", stopping")}");
        report.Table(
            ["Endpoint", "Address", "Plugin", "Handler", "Generation", "State", "Connections", "Accepted", "Rejected", "Faults"],
            [.. status["endpoints"]!.Select(endpoint => Cells(endpoint, "name", "", "plugin", "handler", "generation", "state", "activeConnections", "acceptedConnections", "rejectedConnections", "handlerFaults"))]);
        report.Table(
            ["Plugin", "Version", "Generation", "State", "Build", "Connections", "Oldest", "Loaded"],
            [.. status["plugins"]!.SelectMany(plugin => plugin["generations"]!.Select(generation => (string[])
                [$"{plugin["name"]}", .. Cells(generation, "version", "number", "state", "sha256", "connections", "oldestConnectionAge", "loadedAt")]))]);
        foreach (var plugin in status["plugins"]!)
        {
            PrintDetails(report, plugin);
        }

        return 0;
    }

    /// <summary>First, for whoever looks at three in the morning.</summary>
    private static void PrintProblems(Report report, JObject status)
    {
        var problems = status["problems"]!;
        report.Line(problems.Any() ? "WRONG:" : "Nothing is wrong.");
        foreach (var problem in problems)
        {
            var about = (string?)problem["endpoint"] is { } endpoint ? $"endpoint {endpoint}: " : (string?)problem["plugin"] is { } plugin ? $"plugin {plugin}: " : "";
            report.Line($"  {about}{problem["text"]}");
        }

        if (status["config"]!["waitsFor"] is JArray waitsFor)
        {
            report.Line($"  It is tried again when this changes: {string.Join(", ", waitsFor)}");
        }
    }

    private static void PrintDetails(Report report, JToken plugin)
    {
        foreach (var generation in plugin["generations"]!.Where(generation => generation["leak"] is not null || generation["error"] is not null))
        {
            report.Line($"{plugin["name"]} generation {generation["number"]} {generation["state"]}: {generation["leak"] ?? generation["error"]}");
        }
    }

    private static string[] Cells(JToken row, params string[] names) => [.. names.Select(name => name switch
    {
        "" when row["port"]!.Type == JTokenType.Null => $"{row["address"]}",
        "" => $"{(IPAddress.TryParse((string?)row["address"], out var address) && address.ToString().Contains(':') ? $"[{address}]" : row["address"])}:{row["port"]}",
        "sha256" when row[name]!.ToString() is { Length: > 12 } hash => hash[..12],
        _ => row[name] is { Type: not JTokenType.Null } value ? value.ToString() : "-",
    })];
}
