using System.Globalization;
using System.Text;
using PluginServer.Diagnostics;

namespace PluginServer.Administration;

/// <summary>Metrics in the text format of Prometheus.</summary>
/// <remarks>See https://prometheus.io/docs/instrumenting/exposition_formats and, for the names, OpenTelemetry's "Prometheus and OpenMetrics Compatibility".</remarks>
internal static class PrometheusText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    public static string Of(IEnumerable<(MetricFamily Family, IReadOnlyList<MetricPoint> Points)> metrics)
    {
        var text = new StringBuilder();
        foreach (var (family, points) in metrics)
        {
            var name = Name(family);
            text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {family.Description.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal)}\n");
            text.Append(CultureInfo.InvariantCulture, $"# TYPE {name} {family.Kind switch { MetricKind.Counter => "counter", MetricKind.Level => "gauge", _ => "histogram" }}\n");
            foreach (var point in points)
            {
                if (point.Histogram is { } durations)
                {
                    Append(text, name, point, durations);
                }
                else
                {
                    text.Append(CultureInfo.InvariantCulture, $"{name}{Labels(point)} {point.Value}\n");
                }
            }
        }

        return text.ToString();
    }

    /// <summary>With its unit, and what tells a counter.</summary>
    public static string Name(MetricFamily family)
    {
        var unit = family.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
        return $"{Word(family.Name)}{unit}{(family.Kind == MetricKind.Counter ? "_total" : "")}";
    }

    private static void Append(StringBuilder text, string name, MetricPoint point, Durations durations)
    {
        var (buckets, below) = (durations.Buckets, 0L);
        for (var bucket = 0; bucket < buckets.Length; bucket++)
        {
            below += buckets[bucket];
            var bound = bucket < durations.Bounds.Length ? durations.Bounds[bucket].TotalSeconds.ToString(CultureInfo.InvariantCulture) : "+Inf";
            text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{Labels(point, bound)} {below}\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"{name}_sum{Labels(point)} {durations.Sum.TotalSeconds}\n");
        text.Append(CultureInfo.InvariantCulture, $"{name}_count{Labels(point)} {below}\n");
    }

    private static string Labels(MetricPoint point, string? bound = null)
    {
        var labels = point.Tags.Select(static tag => $"{Word(tag.Key)}=\"{Escaped(Convert.ToString(tag.Value, CultureInfo.InvariantCulture) ?? "")}\"");
        return $"{{{string.Join(',', bound is null ? labels : labels.Append($"le=\"{bound}\""))}}}";
    }

    private static string Word(string name) => name.Replace('.', '_');

    private static string Escaped(string value) => value.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal);
}
