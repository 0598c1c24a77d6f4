using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Newtonsoft.Json.Linq;

namespace PluginServer.Configuration;

/// <summary>One key of plugins.json and all that is known of it.</summary>
/// <param name="Path">Where it stands: <c>plugins.*.settings</c>, <c>endpoints[].port</c>.</param>
/// <param name="Kind">What its value is.</param>
/// <param name="Change">When an edit of it takes effect.</param>
/// <param name="Description">One sentence for whoever edits the file.</param>
internal sealed record ConfigKey(string Path, ConfigKind Kind, ConfigChange Change, string Description)
{
    /// <summary>Null where the key is absent by default; a JSON null where that is the default.</summary>
    public JToken? Default { get; init; }

    public bool Required { get; init; }

    /// <summary>Keys beside it, each of which stands in for it where it is required.</summary>
    public ImmutableArray<string> Instead { get; init; } = [];

    public double Minimum { get; init; }

    public double Maximum { get; init; }

    /// <summary>The shortest duration allowed; the longest is <see cref="LongestDuration"/>.</summary>
    public TimeSpan Shortest { get; init; }

    /// <summary>The values of a choice.</summary>
    public ImmutableArray<string> Allowed { get; init; } = [];

    /// <summary>What a text, or a key of a map, must match; .NET and JavaScript read it alike.</summary>
    public string? Pattern { get; init; }

    /// <summary>The pattern in words.</summary>
    public string? Form { get; init; }

    /// <summary>The values that this version can act on, for an address the networks; null where it acts on all, empty where the key must be absent.</summary>
    public ImmutableArray<JToken>? Supported { get; init; }

    /// <summary>What this version does instead of what it cannot act on.</summary>
    public string? Meanwhile { get; init; }

    /// <summary>What the timers of the framework hold for certain.</summary>
    public static TimeSpan LongestDuration => TimeSpan.FromDays(24);

    public bool IsNullable => Default?.Type == JTokenType.Null;

    /// <summary>Whether a text fits the pattern; '$' would let a line break pass at the end.</summary>
    public bool Matches(string text) => Pattern is null || (Regex.IsMatch(text, Pattern) && !text.EndsWith('\n'));

    /// <summary>The name by which the object around it knows it: <c>port</c>, <c>*</c>, <c>[]</c>.</summary>
    public string Name => Path[(ParentLength == 0 ? 0 : ParentLength + (Path.EndsWith("[]", StringComparison.Ordinal) ? 0 : 1))..];

    public string Parent => Path[..ParentLength];

    /// <summary>What is allowed, as a noun phrase.</summary>
    public string Expected => Noun + (IsNullable ? " or null" : "");

    private int ParentLength => Path.EndsWith("[]", StringComparison.Ordinal) ? Path.Length - 2 : Math.Max(0, Path.LastIndexOf('.'));

    private string Noun => Kind switch
    {
        ConfigKind.Boolean => "true or false",
        ConfigKind.Integer => $"a whole number from {Minimum:0} to {Maximum:0}",
        ConfigKind.Number => FormattableString.Invariant($"a number from {Minimum} to {Maximum}"),
        ConfigKind.Text => Form ?? "a text",
        ConfigKind.Choice => "one of " + string.Join(", ", Allowed.Select(value => $"\"{value}\"")),
        ConfigKind.Duration => $"a duration from \"{(Shortest == TimeSpan.Zero ? "00:00:00" : $"{Shortest:hh\\:mm\\:ss\\.fff}")}\" to \"{LongestDuration}\", such as \"00:00:30\" or \"1.00:00:00\" (days.hours:minutes:seconds)",
        ConfigKind.Address => "\"*\" or an IP address such as \"127.0.0.1\" or \"::1\"",
        ConfigKind.Network => "a network such as \"10.0.0.0/8\" or \"::1/128\"",
        ConfigKind.List => "a list in [ ]",
        _ => "an object in { }",
    };
}
