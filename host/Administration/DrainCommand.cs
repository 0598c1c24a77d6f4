using System.Globalization;
using Newtonsoft.Json.Linq;

namespace PluginServer.Administration;

/// <summary>Has an endpoint of the running host drain, and shows how many are still inside until the host says what became of them.</summary>
internal static class DrainCommand
{
    /// <summary>Exit code when some were cut.</summary>
    private const int Cut = 3;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);

    public static async Task<int> RunAsync(CommandContext context, string file, string endpoint, TimeSpan? timeout, bool json, CancellationToken cancellationToken)
    {
        var query = timeout is { } limit ? $"?timeout={Uri.EscapeDataString(limit.ToString("c", CultureInfo.InvariantCulture))}" : "";
        var draining = RemoteVerb.RunAsync(context, file, HttpMethod.Post, $"/api/endpoints/{Uri.EscapeDataString(endpoint)}/drain{query}", json, Print, cancellationToken);
        if (context.IsTerminal && !json)
        {
            await ShowAsync(context, file, endpoint, draining, cancellationToken);
        }

        return await draining;
    }

    private static int Print(Report report, JObject body)
    {
        report.Line($"endpoint {body["endpoint"]} was drained: {body["finished"]} finished, {body["closed"]} closed, {body["cut"]} cut; it is paused, and clients wait in the backlog until it is resumed");
        if ((bool?)body["complete"] == false)
        {
            report.Line("The drain was overtaken: the endpoint was resumed, removed, or the host stops; nobody else is cut by it.");
            return 1;
        }

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
