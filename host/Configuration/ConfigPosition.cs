using System.Collections.Immutable;

namespace PluginServer.Configuration;

/// <summary>Where a value stands in plugins.json, and where the values below it do.</summary>
/// <remarks>Equal to every other: where a value stands is no part of what it says, so a moved entry is not a changed one.</remarks>
internal sealed class ConfigPosition(string file, string path, ImmutableDictionary<string, (int Line, int Column)> values) : IEquatable<ConfigPosition>
{
    public string Path => path;

    /// <summary>A value below this one, by a path relative to it: <c>port</c>, <c>settings.limits[0]</c>.</summary>
    public ConfigPosition this[string relative] =>
        new(file, path.Length == 0 || relative.StartsWith('[') ? path + relative : $"{path}.{relative}", values);

    /// <summary>An error at this value, or at the nearest one around it that is written out.</summary>
    public ConfigError Error(string message)
    {
        var at = path;
        (int Line, int Column) found;
        while (!values.TryGetValue(at, out found) && at.Length > 0)
        {
            at = at[..Math.Max(0, at.LastIndexOfAny(['.', '[']))];
        }

        return new ConfigError(file, Math.Max(1, found.Line), Math.Max(1, found.Column), path, message);
    }

    public bool Equals(ConfigPosition? other) => other is not null;

    public override bool Equals(object? obj) => obj is ConfigPosition;

    public override int GetHashCode() => 0;
}
