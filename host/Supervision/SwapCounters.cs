using System.Collections.Concurrent;
using PluginServer.Diagnostics;

namespace PluginServer.Supervision;

/// <summary>What became of the builds of each plugin, and how long they took to load.</summary>
internal sealed class SwapCounters
{
    /// <summary>A build was put in the place of another.</summary>
    public const string Swapped = "swapped";

    /// <summary>The one before was put back.</summary>
    public const string RolledBack = "rolled_back";

    /// <summary>It was refused.</summary>
    public const string Rejected = "rejected";

    private readonly ConcurrentDictionary<(string Plugin, string Outcome), long> _counts = new();
    private readonly ConcurrentDictionary<string, Durations> _loads = new(StringComparer.Ordinal);

    /// <summary>A copy.</summary>
    public IReadOnlyList<KeyValuePair<(string Plugin, string Outcome), long>> All => [.. _counts.OrderBy(static count => count.Key)];

    /// <summary>Of generations that came to serve, by plugin.</summary>
    public IReadOnlyList<KeyValuePair<string, Durations>> Loads => [.. _loads.OrderBy(static load => load.Key, StringComparer.Ordinal)];

    public void Count(string plugin, string outcome) => _counts.AddOrUpdate((plugin, outcome), 1, static (_, count) => count + 1);

    public void Loaded(string plugin, TimeSpan took) => _loads.GetOrAdd(plugin, static _ => new Durations(Instruments.LoadBuckets)).Add(took);
}
