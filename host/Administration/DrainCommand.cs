using System.Globalization;
using Newtonsoft.Json.Linq;

namespace PluginServer.Administration;

/// <summary>Has an endpoint of the running host drain, and shows how many are still inside until the host says what became of them.</summary>
internal static class DrainCommand
{
    /// <summary>Exit code when some were cut.</summary>
    private const int Cut = 3;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    public static Task<int> RunAsync(CommandContext context, string file, string endpoint, TimeSpan? timeout, bool json, CancellationToken cancellationToken)
    {
        var query = timeout is { } limit ? $"?timeout={Uri.EscapeDataString(limit.ToString("c", CultureInfo.InvariantCulture))}" : "";
        Func<Task, Task>? show = context.IsTerminal && !json ? draining => ShowAsync(context, file, endpoint, draining, cancellationToken) : null;
        return RemoteVerb.RunAsync(context, file, HttpMethod.Post, $"/api/endpoints/{Uri.EscapeDataString(endpoint)}/drain{query}", json, Print, cancellationToken, show);
    }

    private static int Print(Report report, JObject body)
    {
        var outcome = $"{body["finished"]} finished, {body["closed"]} closed, {body["cut"]} cut";
        if ((bool?)body["complete"] == false)
        {
            report.Line($"the drain of endpoint {body["endpoint"]} was overtaken: it was resumed or removed, or the host stops; until then {outcome}, and nobody else is cut by it");
            return 1;
        }

        report.Line($"endpoint {body["endpoint"]} was drained: {outcome}; it is paused, and clients wait in the backlog until it is resumed");
        return (long)body["cut"]! > 0 ? Cut : 0;
    }

    private static async Task ShowAsync(CommandContext context, string file, string endpoint, Task draining, CancellationToken cancellationToken)
    {
        int? first = null;
        while (await Task.WhenAny(draining, Task.Delay(Pause, cancellationToken)) != draining && !cancellationToken.IsCancellationRequested)
        {
            if (await InsideAsync(file, endpoint, cancellationToken) is { } inside)
            {
                first = Math.Max(first ?? 0, inside);
                context.Report.Progress($"draining {endpoint}", first.Value - inside, first.Value, $"{inside} inside");
            }
        }

        if (first is not null)
        {
            context.Report.EndProgress();
        }
    }

    private static async Task<int?> InsideAsync(string file, string endpoint, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await ControlClient.SendAsync(HttpMethod.Get, "/api/status", file, cancellationToken);
            return (int?)answer.Json?["endpoints"]?.FirstOrDefault(running => (string?)running["name"] == endpoint)?["activeConnections"];
        }
        catch (Exception error) when (error is NoHostException or OperationCanceledException)
        {
            // The drain itself says so.
            return null;
        }
    }
}
