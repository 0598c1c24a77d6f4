using System.Collections.Immutable;
using PluginServer.Diagnostics;
using PluginServer.Networking;
using PluginServer.Plugins;

namespace PluginServer.Supervision;

/// <summary>The present series of every metric, from the host's own counters.</summary>
internal static class MetricsReport
{
    private static readonly ImmutableArray<GenerationState> States = [.. Enum.GetValues<GenerationState>()];

    /// <summary>All of them at one moment: accepted = active + ended, on every endpoint. A series of a generation ends with it.</summary>
    public static IReadOnlyList<(MetricFamily Family, IReadOnlyList<MetricPoint> Points)> All(Server server)
    {
        var counts = ConnectionCounts.Of(server);
        var alive = counts.Select(static count => count with { Active = [.. count.Active.Where(static active => !active.IsGone)] }).ToList();
        return [.. MetricFamily.All.Select(family => (family, (IReadOnlyList<MetricPoint>)[.. Points(server, alive, family)]))];
    }

    /// <summary>For a listener of the meter, which may keep the last value of a series for ever: one of a generation that is gone is 0 for a while, and
    /// only then ends.</summary>
    public static IEnumerable<MetricPoint> Points(Server server, MetricFamily family) => Points(server, ConnectionCounts.Of(server), family);

    private static IEnumerable<MetricPoint> Points(Server server, IReadOnlyList<ConnectionCounts> counts, MetricFamily family) => family.Name switch
    {
        _ when family == MetricFamily.ActiveConnections => counts.SelectMany(static count => count.Active.Select(active => new MetricPoint([.. count.Tags, Tag.Generation(active.Generation)], active.Count))),
        _ when family == MetricFamily.ConnectionDuration => counts.SelectMany(static count => count.Ended.Select(ended => new MetricPoint(ended.Cause is null ? count.Tags : [.. count.Tags, Tag.Error(ended.Cause)], 0, ended.Durations))),
        _ when family == MetricFamily.Accepted => counts.Select(static count => new MetricPoint(count.Tags, count.Accepted)),
        _ when family == MetricFamily.Received => counts.Select(static count => new MetricPoint(count.Tags, count.Received)),
        _ when family == MetricFamily.Sent => counts.Select(static count => new MetricPoint(count.Tags, count.Sent)),
        _ when family == MetricFamily.Rejected => counts.SelectMany(static count => count.Counters.RejectedByReason.Select((rejected, reason) => new MetricPoint([.. count.Tags, Tag.Reason(RejectReasons.Name((RejectReason)reason))], rejected))),
        _ when family == MetricFamily.AcceptErrors => counts.SelectMany(static count => ByKind(count.Tags, count.Counters.AcceptErrors)),
        _ when family == MetricFamily.AcceptorRestarts => counts.Select(static count => new MetricPoint(count.Tags, count.Counters.AcceptorRestarts)),
        _ when family == MetricFamily.HandlerFaults => counts.SelectMany(static count => ByKind(count.Tags, count.Counters.HandlerFaults)),
        _ when family == MetricFamily.Swaps => server.Swaps.All.Select(static count => new MetricPoint([Tag.Plugin(count.Key.Plugin), Tag.Outcome(count.Key.Outcome)], count.Value)),
        _ when family == MetricFamily.LoadDuration => server.Swaps.Loads.Select(static load => new MetricPoint([Tag.Plugin(load.Key)], 0, load.Value)),
        _ => server.Plugins.SelectMany(Generations),
    };

    private static IEnumerable<MetricPoint> ByKind(ImmutableArray<KeyValuePair<string, object?>> tags, KindCounter counter) =>
        counter.All.Select(count => new MetricPoint([.. tags, Tag.Error(count.Key)], count.Value));

    private static IEnumerable<MetricPoint> Generations(RunningPlugin plugin)
    {
        var generations = plugin.Generations;
        var states = States.Select(state => (Name: state.ToString().ToLowerInvariant(), Count: generations.Count(generation => generation.State == state)));
        return states.Append((Name: "failed", plugin.Failed.Count)).Select(state => new MetricPoint([Tag.Plugin(plugin.Name), Tag.State(state.Name)], state.Count));
    }
}
