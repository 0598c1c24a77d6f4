using System.Collections.Immutable;
using System.Globalization;

namespace PluginServer.Configuration;

/// <summary>Where a value stands in plugins.json, and where the values below it do.</summary>
/// <remarks>Equal to every other: where a value stands is no part of what it says, so a moved entry is not a changed one.</remarks>
/// <param name="file">The file as errors name it.</param>
/// <param name="path">The value's own path.</param>
/// <param name="values">Where values start, by path.</param>
/// <param name="keys">Where the keys of those values start, by the same paths; null where nobody asks.</param>
internal sealed class ConfigPosition(
    string file,
    string path,
    ImmutableDictionary<string, (int Line, int Column)> values,
    ImmutableDictionary<string, (int Line, int Column)>? keys = null) : IEquatable<ConfigPosition>
{
    public string Path => path;

    /// <summary>From 1.</summary>
    public int Line => Math.Max(1, Nearest().Line);

    /// <summary>A value below this one, by a path relative to it: <c>port</c>, <c>settings.limits[0]</c>.</summary>
    public ConfigPosition this[string relative] =>
        At(path.Length == 0 || relative.StartsWith('[') ? path + relative : $"{path}.{relative}");

    /// <summary>A value below this one by one part of a configuration key: the name of a member, or the index of an element.</summary>
    /// <remarks>Names are compared as the dictionary does and shown as they are written, whatever case the caller has them in.</remarks>
    public ConfigPosition Child(string part)
    {
        var member = JsonPath.Member(path, part);
        var isIndex = int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out var index);
        var item = isIndex ? JsonPath.Item(path, index) : member;
        return At(values.ContainsKey(item) || !values.ContainsKey(member) ? item : member);
    }

    /// <summary>An error at this value, or at the nearest one around it that is written out.</summary>
    public ConfigError Error(string message) => Error(Nearest(), message);

    /// <summary>An error at this value's key; at the value where it has none.</summary>
    public ConfigError ErrorAtKey(string message) =>
        Error(keys is not null && keys.TryGetValue(path, out var key) ? key : Nearest(), message);

    public bool Equals(ConfigPosition? other) => other is not null;

    public override bool Equals(object? obj) => obj is ConfigPosition;

    public override int GetHashCode() => 0;

    private ConfigError Error((int Line, int Column) at, string message) =>
        new(file, Math.Max(1, at.Line), Math.Max(1, at.Column), path, message);

    private ConfigPosition At(string below) => new(file, values.TryGetKey(below, out var written) ? written : below, values, keys);

    private (int Line, int Column) Nearest()
    {
        var at = path;
        (int Line, int Column) found;
        while (!values.TryGetValue(at, out found) && at.Length > 0)
        {
            at = JsonPath.Parent(at);
        }

        return found;
    }
}
