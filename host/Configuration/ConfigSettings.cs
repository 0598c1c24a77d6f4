using System.Collections.Immutable;

namespace PluginServer.Configuration;

/// <summary>A <c>settings</c> object of plugins.json: what a plugin or handler is given, whatever its shape.</summary>
/// <param name="Values">Leaf values in the form of Microsoft.Extensions.Configuration: keys joined by ':', array elements by
/// index, values as invariant text ("true", "1.5"), null for JSON null.</param>
/// <param name="Position">Where the object stands; <see cref="ConfigPosition.this"/> takes paths below it.</param>
internal sealed record ConfigSettings(ImmutableSortedDictionary<string, string?> Values, ConfigPosition Position)
{
    public static readonly ConfigSettings None = new(
        ImmutableSortedDictionary<string, string?>.Empty.WithComparers(StringComparer.OrdinalIgnoreCase),
        new ConfigPosition("plugins.json", "settings", ImmutableDictionary<string, (int, int)>.Empty));

    public bool Equals(ConfigSettings? other) =>
        other is not null && Values.Count == other.Values.Count && Values.All(pair => other.Values.TryGetValue(pair.Key, out var value) && value == pair.Value);

    public override int GetHashCode() => Values.Count;

    /// <summary>Where a value stands, by its configuration key in any case: <c>limits:0:max</c>.</summary>
    public ConfigPosition At(string key) =>
        key.Split(':', StringSplitOptions.RemoveEmptyEntries).Aggregate(Position, (position, part) => position.Child(part));
}
