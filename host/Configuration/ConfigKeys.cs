using System.Collections.Immutable;
using Newtonsoft.Json.Linq;

namespace PluginServer.Configuration;

/// <summary>Every key of plugins.json, once: the reader, the schema and what is said about a change all come from here.</summary>
internal static partial class ConfigKeys
{
    /// <summary>The file as a whole; no key of it.</summary>
    public static readonly ConfigKey Root = new("", ConfigKind.Object, ConfigChange.ByMember, "What a PluginServer host runs: the ports and the handler behind each.");

    /// <summary>In the order of the documentation.</summary>
    public static readonly ImmutableArray<ConfigKey> All = [.. Host, .. Admin, .. Plugins, .. Endpoints, .. Limits, .. Socket];

    private static readonly ImmutableDictionary<string, ImmutableArray<ConfigKey>> ByParent =
        All.GroupBy(key => key.Parent).ToImmutableDictionary(group => group.Key, group => group.ToImmutableArray());

    private static readonly ImmutableDictionary<string, ConfigKey> ByPath = All.ToImmutableDictionary(key => key.Path);

    /// <summary>The keys that an object may have, or the one key of a map's entries or a list's elements.</summary>
    public static ImmutableArray<ConfigKey> Below(ConfigKey key) => ByParent.GetValueOrDefault(key.Path, []);

    public static ConfigKey? Member(ConfigKey parent, string name) => ByPath.GetValueOrDefault(parent.Path.Length == 0 ? name : $"{parent.Path}.{name}");

    private const string NamePattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]*$";
    private const string NameForm = "a name of letters, digits, '.', '_' and '-' that does not start with '.'";
    private const string HostPattern = "^(\\*\\.)?[^\\u0000-\\u0020*./:\\u007f]+(\\.[^\\u0000-\\u0020*./:\\u007f]+)*$";
    private const string HostForm = "a host name such as \"www.example.org\", or \"*.example.org\" for all that have one label more";
    private const string NotEmpty = "^[^\\u0000]+$";
    private const string NotEmptyForm = "a text that is not empty";

    private static ConfigKey Flag(string path, ConfigChange change, bool value, string description) =>
        new(path, ConfigKind.Boolean, change, description) { Default = value };

    private static ConfigKey Whole(string path, ConfigChange change, JToken? value, int minimum, int maximum, string description) =>
        new(path, ConfigKind.Integer, change, description) { Default = value, Minimum = minimum, Maximum = maximum };

    private static ConfigKey Time(string path, ConfigChange change, string? value, string description, bool zero = false) =>
        new(path, ConfigKind.Duration, change, description) { Default = value is null ? JValue.CreateNull() : value, Shortest = zero ? TimeSpan.Zero : TimeSpan.FromMilliseconds(1) };

    private static ConfigKey OneOf(string path, ConfigChange change, string description, params string[] values) =>
        new(path, ConfigKind.Choice, change, description) { Default = values[0], Allowed = [.. values] };

    private static ConfigKey Words(string path, ConfigChange change, string description, string pattern = NotEmpty, string form = NotEmptyForm) =>
        new(path, ConfigKind.Text, change, description) { Pattern = pattern, Form = form };

    // Where a key's effect is still to be built its default is what there is.
    private static ConfigKey OnlyDefault(ConfigKey key) => key with { Supported = [key.Default!] };

    private static ConfigKey OnlyAbsent(ConfigKey key, string meanwhile) => key with { Supported = [], Meanwhile = meanwhile };
}
