using PluginServer.Networking;
using PluginServer.Plugins;

namespace PluginServer.Supervision;

/// <summary>What is wrong with a host now, the worst first.</summary>
internal static class Problems
{
    public const string Failed = "failed";
    public const string Rejected = "rejected";
    public const string Error = "error";
    public const string Faults = "faults";
    public const string Limit = "limit";
    public const string Leaked = "leaked";
    public const string Certificate = "certificate";
    public const string Paused = "paused";

    public static IEnumerable<Problem> Of(Server server, Refusal refusal, DateTimeOffset now)
    {
        var (running, plugins) = (server.Running, server.Plugins.ToList());
        return
        [
            .. running.Where(static running => running.State == EndpointState.Failed).Select(static running => OfEndpoint(running, Failed, $"does not accept on {running.Endpoint.Address}: its acceptors keep dying; it is tried again now and then, see the log")),
            .. refusal.Errors.Select(static error => new Problem(Rejected, null, null, $"the present files were rejected, and what was accepted before goes on: {error}")),
            .. plugins.Where(plugin => plugin.LastError is { } error && refusal.Errors.All(refused => !error.Contains(refused.Message, StringComparison.Ordinal))).Select(static plugin => OfPlugin(plugin, Error, plugin.LastError!)),
            .. running.Where(static running => running.Endpoint.Faults.InLastMinute > 0).Select(static running => OfEndpoint(running, Faults, $"{Count(running.Endpoint.Faults.InLastMinute, "handler fault")} in the last minute; the log has the first of each second")),
            .. plugins.SelectMany(static plugin => plugin.Generations.Where(static generation => generation.StrayFaults > 0 && generation.State != GenerationState.Unloaded).Select(generation => OfPlugin(plugin, Faults, $"generation {generation.Number}: {Count(generation.StrayFaults, "exception")} outside of its handlers, see the log"))),
            .. server.Places.Taken >= server.Places.Limit ? [new Problem(Limit, null, null, $"all {server.Places.Limit} connections of the host are taken (maxConnections, or the open-file limit)")] : Array.Empty<Problem>(),
            .. running.Where(static running => IsFull(running.Endpoint)).Select(static running => OfEndpoint(running, Limit, $"all {running.Endpoint.Places.Limit} connections are taken (maxConnections): {(running.Endpoint.Admission.Refuses ? "who comes now is refused" : "who comes now waits in the backlog")}")),
            .. plugins.SelectMany(static plugin => plugin.Generations.Where(static generation => generation.State == GenerationState.Leaked).Select(generation => OfPlugin(plugin, Leaked, $"generation {generation.Number} was not unloaded, perhaps because of {generation.Leak}; its memory is lost until the host restarts"))),
            .. running.SelectMany(running => (running.Endpoint.Credentials?.Due(now) ?? []).Select(warning => OfEndpoint(running, Certificate, warning))),
            .. running.Where(static running => running.State == EndpointState.Paused).Select(static running => OfEndpoint(running, Paused, "is paused: clients wait in the backlog until it is resumed")),
        ];
    }

    // Not by its places: an acceptor holds one for whoever comes next.
    private static bool IsFull(Endpoint endpoint) => endpoint.Connections.Count + endpoint.Handshakes.Count >= endpoint.Places.Limit;

    private static string Count(long count, string what) => count == 1 ? $"1 {what}" : $"{count} {what}s";

    private static Problem OfEndpoint(RunningEndpoint running, string kind, string text) =>
        new(kind, running.Endpoint.Name, running.Endpoint.Slot.Current?.Generation.Build.Name, text);

    private static Problem OfPlugin(RunningPlugin plugin, string kind, string text) => new(kind, null, plugin.Name, text);
}
