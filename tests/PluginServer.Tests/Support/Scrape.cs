using System.Globalization;
using System.Text.RegularExpressions;
using PluginServer.Administration;
using PluginServer.Supervision;

namespace PluginServer.Tests.Support;

/// <summary>The metrics of a host as a Prometheus server gets them: text, read by rules of its own.</summary>
internal sealed partial class Scrape
{
    private readonly List<(string Name, Dictionary<string, string> Labels, double Value)> _series = [];

    private Scrape(string text)
    {
        Text = text;
        foreach (var line in text.Split('\n').Where(line => line.Length > 0 && line[0] != '#'))
        {
            var parts = Series().Match(line);
            Assert.That(parts.Success, Is.True, line);
            _series.Add((parts.Groups[1].Value, Label().Matches(parts.Groups[2].Value).ToDictionary(label => label.Groups[1].Value, label => label.Groups[2].Value), double.Parse(parts.Groups[3].Value, CultureInfo.InvariantCulture)));
        }
    }

    public string Text { get; }

    public static Scrape Of(Server server) => new(PrometheusText.Of(MetricsReport.All(server)));

    public static Scrape OfText(string text) => new(text);

    /// <summary>All series of a name with these labels, as <c>label=value</c>, added up.</summary>
    public double Sum(string name, params string[] labels) => Of(name, labels).Sum(series => series.Value);

    /// <summary>How many series of a name there are with these labels.</summary>
    public int Count(string name, params string[] labels) => Of(name, labels).Count();

    /// <summary>Accepted = active + ended, for every endpoint and plugin.</summary>
    public void AssertBalanced()
    {
        foreach (var (_, labels, accepted) in Of("pluginserver_accepted_connections_total"))
        {
            string[] of = [$"pluginserver_endpoint={labels["pluginserver_endpoint"]}", $"pluginserver_plugin={labels["pluginserver_plugin"]}"];
            var active = Sum("pluginserver_active_connections", of);
            var ended = Sum("pluginserver_connection_duration_seconds_count", of);
            Assert.That(accepted, Is.EqualTo(active + ended), $"{string.Join(", ", of)}: accepted = {active} active + {ended} ended");
            Assert.That(active, Is.Not.Negative);
        }
    }

    private IEnumerable<(string Name, Dictionary<string, string> Labels, double Value)> Of(string name, params string[] labels) =>
        _series.Where(series => series.Name == name && labels.All(label => label.Split('=', 2) is [var key, var value] && series.Labels.GetValueOrDefault(key) == value));

    [GeneratedRegex("""^([a-z_]+)\{((?:[a-z_]+="(?:[^"\\]|\\.)*",?)*)\} (\S+)$""")]
    private static partial Regex Series();

    [GeneratedRegex("""([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)""")]
    private static partial Regex Label();
}
