using System.Collections.Immutable;
using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace PluginServer.Diagnostics;

/// <summary>The host's meter and activity source: what tools for .NET listen to. Nobody who does not listen pays for it.</summary>
/// <remarks>Counters and levels are read from the host's own counters when a listener asks; durations are told when they end, if one listens.</remarks>
internal sealed class Instruments : IDisposable
{
    /// <summary>Of the meter and of the activity source.</summary>
    public const string Name = "PluginServer";

    private static readonly ImmutableArray<double> ConnectionBounds = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 3600];
    private static readonly ImmutableArray<double> LoadBounds = [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60];

    /// <param name="version">The host's.</param>
    /// <param name="read">The present series of a metric.</param>
    public Instruments(string version, Func<MetricFamily, IEnumerable<MetricPoint>> read)
    {
        Meter = new Meter(Name, version);
        Activities = new ActivitySource(Name, version);
        foreach (var family in MetricFamily.All)
        {
            IEnumerable<Measurement<long>> Observe() => read(family).Select(static point => new Measurement<long>(point.Value, point.Tags.AsSpan()));
            if (family.Kind == MetricKind.Counter)
            {
                Meter.CreateObservableCounter(family.Name, Observe, family.Unit, family.Description);
            }
            else if (family.Kind == MetricKind.Level)
            {
                Meter.CreateObservableUpDownCounter(family.Name, Observe, family.Unit, family.Description);
            }
        }

        ConnectionDuration = Histogram(MetricFamily.ConnectionDuration, ConnectionBounds);
        LoadDuration = Histogram(MetricFamily.LoadDuration, LoadBounds);
    }

    /// <summary>Upper bounds of the buckets of <see cref="ConnectionDuration"/>.</summary>
    public static ImmutableArray<TimeSpan> ConnectionBuckets { get; } = [.. ConnectionBounds.Select(TimeSpan.FromSeconds)];

    /// <summary>Upper bounds of the buckets of <see cref="LoadDuration"/>.</summary>
    public static ImmutableArray<TimeSpan> LoadBuckets { get; } = [.. LoadBounds.Select(TimeSpan.FromSeconds)];

    public Meter Meter { get; }

    /// <summary>One activity per connection, while somebody listens.</summary>
    public ActivitySource Activities { get; }

    public Histogram<double> ConnectionDuration { get; }

    public Histogram<double> LoadDuration { get; }

    public void Dispose()
    {
        Meter.Dispose();
        Activities.Dispose();
    }

    private Histogram<double> Histogram(MetricFamily family, ImmutableArray<double> bounds) =>
        Meter.CreateHistogram(family.Name, family.Unit, family.Description, tags: null, new InstrumentAdvice<double> { HistogramBucketBoundaries = bounds });
}
