using System.Collections.Immutable;
using PluginServer.Diagnostics;
using PluginServer.Networking;

namespace PluginServer.Supervision;

/// <summary>The connections of one endpoint and one plugin at one moment: accepted = active + ended.</summary>
internal sealed record ConnectionCounts
{
    public required ImmutableArray<KeyValuePair<string, object?>> Tags { get; init; }

    /// <summary>What is not about connections.</summary>
    public required PluginCounters Counters { get; init; }

    public required long Accepted { get; init; }

    /// <summary>Those inside, by generation; one that is gone is told of a while longer.</summary>
    public required IReadOnlyList<(int Generation, long Count, bool IsGone)> Active { get; init; }

    /// <summary>Those that have ended, by cause; null is the end in order.</summary>
    public required IReadOnlyList<(string? Cause, Durations Durations)> Ended { get; init; }

    public required long Received { get; init; }

    public required long Sent { get; init; }

    /// <summary>Of every endpoint, and of those that leave while no other has taken their name.</summary>
    public static IReadOnlyList<ConnectionCounts> Of(Server server)
    {
        var running = server.Endpoints.ToList();
        var leaving = server.Leaving.Select(static leaving => leaving.Endpoint).Where(leaving => running.All(endpoint => endpoint.Name != leaving.Name)).DistinctBy(static endpoint => endpoint.Name);
        return [.. running.Concat(leaving).SelectMany(Of)];
    }

    private static IEnumerable<ConnectionCounts> Of(Endpoint endpoint)
    {
        var (plugins, connections) = (endpoint.Counters.Plugins, endpoint.Counters.Connections);
        return plugins.Select(plugin => Of(endpoint, plugin, [.. connections.Where(counters => counters.Plugin == plugin.Plugin)]));
    }

    private static ConnectionCounts Of(Endpoint endpoint, PluginCounters plugin, IReadOnlyList<GenerationCounters> connections)
    {
        var ended = Enumerable.Range(0, CloseCauses.Count).Select(static cause => (CloseCauses.Name((CloseCause)cause), new Durations(Instruments.ConnectionBuckets))).ToList();

        // A copy of the ended, then who moved, and only then the accepted: all that ended or moved is among them, and the difference is inside.
        var over = connections.Select(counters => ended.Select((end, cause) => end.Item2.Add(counters.Ended[cause])).Sum()).ToList();
        var moved = endpoint.Counters.MovedOf(connections, plugin.Plugin);
        var came = moved.Select(static entry => entry.Counters.Accepted).ToList();
        var active = moved.Select((entry, index) => (entry.Counters, Count: came[index] + entry.Moved - over.ElementAtOrDefault(index)))
            .Where(active => endpoint.Counters.IsOfOne(active.Counters))
            .Select(static active => (active.Counters.Generation.Number, active.Count, active.Counters.Generation.GoneFor is not null))
            .ToList();

        var inside = endpoint.Connections.All.Where(connection => connection.Generation.Build.Name == plugin.Plugin).Select(static connection => connection.Transport).ToList();
        var (received, sent) = plugin.Show(
            connections.Sum(static counters => counters.Received) + inside.Sum(static transport => transport.BytesReceived),
            connections.Sum(static counters => counters.Sent) + inside.Sum(static transport => transport.BytesSent));
        return new ConnectionCounts
        {
            Tags = [Tag.Endpoint(endpoint.Name), Tag.Plugin(plugin.Plugin)],
            Counters = plugin,
            Accepted = came.Sum(),
            Active = active,
            Ended = ended,
            Received = received,
            Sent = sent,
        };
    }
}
