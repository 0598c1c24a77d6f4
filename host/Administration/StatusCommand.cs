using System.Net;
using Newtonsoft.Json.Linq;

namespace PluginServer.Administration;

/// <summary>Shows what the running host does.</summary>
internal static class StatusCommand
{
    public static async Task<int> RunAsync(CommandContext context, string file, bool json, CancellationToken cancellationToken)
    {
        ControlAnswer answer;
        try
        {
            answer = await ControlClient.SendAsync(HttpMethod.Get, "/api/status", file, cancellationToken);
        }
        catch (NoHostException problem)
        {
            return context.NoHost(problem);
        }

        if (answer is not { Status: 200, Json: { } status })
        {
            return context.Fail([$"the host answered {answer.Status} to /api/status"]);
        }

        if (json)
        {
            context.Output.Write(answer.Text);
        }
        else
        {
            Print(context.Report, status);
        }

        return 0;
    }

    private static void Print(Report report, JObject status)
    {
        var config = status["config"]!;
        report.Line($"PluginServer {status["version"]}, pid {status["pid"]}, since {status["startedAt"]}, revision {status["revision"]}, {config["path"]}");
        if ((string?)config["state"] == "rejected")
        {
            report.Line("The present file was rejected, what was accepted before runs on:");
            foreach (var error in config["errors"]!)
            {
                report.Line($"  {AdminJson.ErrorLine(error)}");
            }

            report.Line($"It is tried again when this changes: {string.Join(", ", config["waitsFor"]!)}");
        }

        report.Table(
            ["Endpoint", "Address", "Plugin", "Handler", "Generation", "State", "Connections", "Accepted", "Rejected", "Faults"],
            [.. status["endpoints"]!.Select(endpoint => Cells(endpoint, "name", "", "plugin", "handler", "generation", "state", "activeConnections", "acceptedConnections", "rejectedConnections", "handlerFaults"))]);
        report.Table(
            ["Plugin", "Version", "Generation", "State", "Build", "Connections", "Oldest", "Loaded"],
            [.. status["plugins"]!.SelectMany(plugin => plugin["generations"]!.Select(generation => (string[])
                [$"{plugin["name"]}", $"{plugin["version"]}", .. Cells(generation, "number", "state", "sha256", "connections", "oldestConnectionAge", "loadedAt")]))]);
        foreach (var plugin in status["plugins"]!)
        {
            PrintProblems(report, plugin);
        }
    }

    private static void PrintProblems(Report report, JToken plugin)
    {
        foreach (var generation in plugin["generations"]!.Where(generation => generation["leak"] is not null || generation["error"] is not null))
        {
            report.Line($"{plugin["name"]} generation {generation["number"]} {generation["state"]}: {generation["leak"] ?? generation["error"]}");
        }

        foreach (var generation in plugin["generations"]!.Where(generation => generation["strayFaults"] is not null))
        {
            report.Line($"{plugin["name"]} generation {generation["number"]}: {generation["strayFaults"]} exceptions outside of its handlers, see the log");
        }

        if ((string?)plugin["lastError"] is { } error)
        {
            report.Line($"{plugin["name"]}: last error: {error}");
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
