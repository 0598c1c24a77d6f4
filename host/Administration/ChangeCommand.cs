using Newtonsoft.Json.Linq;

namespace PluginServer.Administration;

/// <summary>Asks the running host for a change, waits, and prints what came of it.</summary>
internal static class ChangeCommand
{
    public static Task<int> ReloadAsync(CommandContext context, string file, bool json, CancellationToken cancellationToken) =>
        RemoteVerb.RunAsync(context, file, HttpMethod.Post, "/api/reload", json, PrintChanges, cancellationToken);

    public static Task<int> RollbackAsync(CommandContext context, string file, string plugin, bool json, CancellationToken cancellationToken) =>
        RemoteVerb.RunAsync(context, file, HttpMethod.Post, $"/api/plugins/{Uri.EscapeDataString(plugin)}/rollback", json, PrintChanges, cancellationToken);

    /// <param name="context">Where to write.</param>
    /// <param name="file">The configuration of the host that is meant.</param>
    /// <param name="verb">pause or resume.</param>
    /// <param name="endpoint">Its name.</param>
    /// <param name="json">Whether the answer is printed as it came.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    public static Task<int> SwitchAsync(CommandContext context, string file, string verb, string endpoint, bool json, CancellationToken cancellationToken) =>
        RemoteVerb.RunAsync(
            context,
            file,
            HttpMethod.Post,
            $"/api/endpoints/{Uri.EscapeDataString(endpoint)}/{verb}",
            json,
            (report, body) =>
            {
                report.Line($"endpoint {body["endpoint"]} is {body["state"]}");
                return 0;
            },
            cancellationToken);

    private static int PrintChanges(Report report, JObject body)
    {
        foreach (var change in (body["changes"] as JArray ?? []).Select(change => (string)change!).DefaultIfEmpty("nothing changed"))
        {
            report.Line(change);
        }

        return 0;
    }
}
