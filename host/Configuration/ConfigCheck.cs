using System.Net;
using Newtonsoft.Json.Linq;

namespace PluginServer.Configuration;

/// <summary>Holds a tree against the table of keys and notes whatever does not fit.</summary>
internal sealed class ConfigCheck(string file, List<ConfigError> errors)
{
    public void Check(ConfigKey key, SourceNode node)
    {
        var before = errors.Count;
        switch (key.Kind)
        {
            case ConfigKind.Object when node.Type == JTokenType.Object:
                Object(key, node);
                break;
            case ConfigKind.Map when node.Type == JTokenType.Object:
                Map(key, node);
                break;
            case ConfigKind.List when node.Type == JTokenType.Array:
                Each(ConfigKeys.Below(key)[0], node.Items);
                break;
            case ConfigKind.Settings when node.Type == JTokenType.Object:
                new SettingsText(file, errors).Check(node);
                break;
            default:
                Note(node, ConfigValue.Of(key, node.Value, node.Written).Fault);
                break;
        }

        if (errors.Count == before || (key.Kind == ConfigKind.Object && node.Type == JTokenType.Object))
        {
            Note(node, Unsupported(key, node));
        }
    }

    private void Each(ConfigKey key, IEnumerable<SourceNode> nodes)
    {
        foreach (var node in nodes)
        {
            Check(key, node);
        }
    }

    private void Object(ConfigKey key, SourceNode node)
    {
        Duplicates(node);
        foreach (var (name, start, value) in node.Members)
        {
            if (ConfigKeys.Member(key, name) is { } member)
            {
                Check(member, value);
            }
            else
            {
                errors.Add(new ConfigError(file, start.Line, start.Column, value.Path, Unknown(key, name)));
            }
        }

        foreach (var member in ConfigKeys.Below(key).Where(member => member.Required && node[member.Name] is null && !member.Instead.Any(other => node[other] is not null)))
        {
            errors.Add(new ConfigError(file, node.Start.Line, node.Start.Column, JsonPath.Member(node.Path, member.Name), $"missing, expected {member.Expected}"));
        }
    }

    private void Map(ConfigKey key, SourceNode node)
    {
        Duplicates(node);
        foreach (var (name, start, value) in node.Members.Where(member => !key.Matches(member.Key)))
        {
            errors.Add(new ConfigError(file, start.Line, start.Column, value.Path, $"the name '{JsonPath.Escape(name)}' is not allowed, expected {key.Form}"));
        }

        Each(ConfigKeys.Below(key)[0], node.Members.Select(member => member.Node));
    }

    private void Duplicates(SourceNode node)
    {
        foreach (var again in node.Members.GroupBy(member => member.Key).SelectMany(group => group.Skip(1).Select(member => (First: group.First(), member.Start, member.Node.Path))))
        {
            var (line, column) = again.First.Start;
            errors.Add(new ConfigError(file, again.Start.Line, again.Start.Column, again.Path, $"duplicate key '{JsonPath.Escape(again.First.Key)}', the first is at {line}:{column}; remove one of them"));
        }
    }

    private static string Unknown(ConfigKey parent, string name)
    {
        var known = ConfigKeys.Below(parent).Select(key => key.Name).ToList();
        var elsewhere = ConfigKeys.All.Where(key => key.Name == name).Select(key => key.Parent.Length == 0 ? "the top level" : key.Parent).ToList();
        var hint = (Nearest.To(name, known), elsewhere.Count) switch
        {
            ({ } close, _) => $"did you mean '{close}'?",
            (_, > 0) => $"it belongs to {string.Join(" or ", elsewhere)}",
            _ => $"allowed: {string.Join(", ", known)}",
        };
        return $"unknown key '{JsonPath.Escape(name)}'; {hint}";
    }

    private static string? Unsupported(ConfigKey key, SourceNode node)
    {
        if (key.Supported is not { } supported || supported.Any(value => IsSame(key, value, node)))
        {
            return null;
        }

        return supported.IsEmpty
            ? $"not supported by this version, {key.Meanwhile}; leave it out"
            : $"{(node.Items.IsEmpty ? ConfigValue.Shown(node.Value) : "this list")} is not supported by this version{(key.Meanwhile is null ? "" : $", {key.Meanwhile}")}; supported: {(key.Kind == ConfigKind.Address ? "an address in " : "")}{string.Join(" or ", supported.Select(ConfigValue.Shown))}";
    }

    private static bool IsSame(ConfigKey key, JToken supported, SourceNode node) => (supported, key.Kind) switch
    {
        (JArray list, _) => node.Items.Select(item => item.Value.ToString()).ToHashSet().SetEquals(list.Select(item => item.ToString())),
        (_, ConfigKind.Address) => ConfigValue.Of(key, node.Value).Value is IPAddress address && IPNetwork.Parse((string)supported!).Contains(address),
        _ => Equals(ConfigValue.Of(key, supported).Value, ConfigValue.Of(key, node.Value).Value),
    };

    private void Note(SourceNode node, string? fault)
    {
        if (fault is not null)
        {
            errors.Add(new ConfigError(file, node.Start.Line, node.Start.Column, node.Path, fault));
        }
    }
}
