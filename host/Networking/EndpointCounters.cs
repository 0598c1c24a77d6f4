using System.Collections.Immutable;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>What has happened on one endpoint since it exists, by the plugins and generations that served it.</summary>
/// <remarks>Any thread; nobody waits to count, but for the first connection of a generation.</remarks>
internal sealed class EndpointCounters
{
    /// <summary>So long a listener of the meter is told that a generation which is gone has no connections any more: some keep what they heard last,
    /// and ask but once a minute.</summary>
    private static readonly TimeSpan Farewell = TimeSpan.FromMinutes(5);

    /// <summary>How many that are gone are told of at most.</summary>
    private const int MostGone = 10;

    private readonly Lock _gate = new();

    /// <summary>Of generations that have been unloaded long ago, one for each plugin.</summary>
    private readonly Dictionary<string, GenerationCounters> _past = new(StringComparer.Ordinal);
    private ImmutableArray<PluginCounters> _plugins = [];
    private ImmutableArray<GenerationCounters> _generations = [];
    private volatile PluginCounters _plugin;
    private volatile GenerationCounters? _latest;

    public EndpointCounters(string plugin) => _plugin = OfPlugin(plugin);

    public long Accepted => Connections.Sum(static counters => counters.Accepted);

    public long AcceptErrors => Plugins.Sum(static counters => counters.AcceptErrors.Total);

    public long AcceptorRestarts => Plugins.Sum(static counters => counters.AcceptorRestarts);

    public long Cut => EndedByCause[(int)CloseCause.Cut];

    public long Ended => EndedByCause.Sum();

    /// <summary>How many ended of each <see cref="CloseCause"/>. Each is counted once, so that a picture of all is never at odds with itself.</summary>
    public long[] EndedByCause
    {
        get
        {
            var connections = Connections;
            return [.. Enumerable.Range(0, CloseCauses.Count).Select(cause => connections.Sum(counters => counters.Ended[cause].Count))];
        }
    }

    public long HandlerFaults => Plugins.Sum(static counters => counters.HandlerFaults.Total);

    /// <summary>Bytes of the connections that have ended.</summary>
    public long Received => Connections.Sum(static counters => counters.Received);

    /// <summary>Closed before they got to a handler; none of them counts as accepted.</summary>
    public long Rejected => RejectedByReason.Sum();

    /// <summary>How many were rejected for each <see cref="RejectReason"/>.</summary>
    public long[] RejectedByReason
    {
        get
        {
            var rejected = Plugins.Select(static counters => counters.RejectedByReason).ToList();
            return [.. rejected[0].Select((_, reason) => rejected.Sum(counts => counts[reason]))];
        }
    }

    /// <summary>Bytes of the connections that have ended.</summary>
    public long Sent => Connections.Sum(static counters => counters.Sent);

    /// <summary>Every plugin that it was ever bound to.</summary>
    public ImmutableArray<PluginCounters> Plugins => _plugins;

    /// <summary>The plugin that it is bound to.</summary>
    public PluginCounters Plugin => _plugin;

    /// <summary>All that were ever counted: what has long been unloaded together, by plugin, and each of the others.</summary>
    public IReadOnlyList<GenerationCounters> Connections
    {
        get
        {
            lock (_gate)
            {
                Fold();
                return [.. _past.Values, .. _generations];
            }
        }
    }

    /// <summary>Whether it is of one generation, and not of all those that are long gone.</summary>
    public bool IsOfOne(GenerationCounters counters) => _generations.Contains(counters);

    /// <summary>What is rejected, and goes wrong, from now on is this plugin's.</summary>
    public void Serve(string plugin) => _plugin = OfPlugin(plugin);

    /// <summary>Where a connection of a generation is counted.</summary>
    public GenerationCounters Of(PluginGeneration generation) => _latest is { } latest && latest.Generation == generation ? latest : Find(generation);

    /// <summary>A connection is served by another generation from now on: it was accepted by the one, and will end with the other.</summary>
    public void Move(GenerationCounters from, GenerationCounters to)
    {
        lock (_gate)
        {
            from.Moved--;
            to.Moved++;
        }
    }

    /// <summary><see cref="GenerationCounters.Moved"/> of each at one moment, so that nobody is counted twice, or not at all: of those that are known, and behind
    /// them of those of the plugin that have come since, for somebody may have moved there.</summary>
    public IReadOnlyList<(GenerationCounters Counters, long Moved)> MovedOf(IReadOnlyList<GenerationCounters> known, string plugin)
    {
        lock (_gate)
        {
            return [.. known.Concat(_generations.Where(counters => counters.Plugin == plugin && !known.Contains(counters))).Select(static counters => (counters, counters.Moved))];
        }
    }

    /// <summary>Where a fault of a plugin is counted.</summary>
    public PluginCounters OfPlugin(string plugin)
    {
        lock (_gate)
        {
            if (_plugins.FirstOrDefault(known => known.Plugin == plugin) is { } known)
            {
                return known;
            }

            var counters = new PluginCounters(plugin);
            _plugins = _plugins.Add(counters);
            return counters;
        }
    }

    private GenerationCounters Find(PluginGeneration generation)
    {
        lock (_gate)
        {
            Fold();
            if (_generations.FirstOrDefault(known => known.Generation == generation) is not { } counters)
            {
                counters = new GenerationCounters(generation);
                _generations = _generations.Add(counters);
            }

            return _latest = counters;
        }
    }

    private void Fold()
    {
        // What is unloaded counts no more: its last connection was counted before it gave its lease back.
        var gone = _generations.Where(static counters => counters.Generation.GoneFor is not null).ToList();
        foreach (var old in gone.Where((counters, index) => index < gone.Count - MostGone || counters.Generation.GoneFor > Farewell))
        {
            // A new one: whoever reads what was counted together does not see it change.
            var both = new GenerationCounters(old.Generation);
            if (_past.TryGetValue(old.Plugin, out var past))
            {
                both.Add(past);
            }

            both.Add(old);
            _past[old.Plugin] = both;

            _generations = _generations.Remove(old);
        }
    }
}
