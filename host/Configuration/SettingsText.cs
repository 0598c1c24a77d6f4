using System.Collections.Immutable;
using Newtonsoft.Json.Linq;

namespace PluginServer.Configuration;

/// <summary>A settings object in the form of Microsoft.Extensions.Configuration, whose keys know neither case nor a colon inside.</summary>
internal sealed class SettingsText(string file, List<ConfigError> errors)
{
    /// <summary>Leaf values by their keys, each as Microsoft.Extensions.Configuration.Json has it, but true and false in JSON's spelling.</summary>
    public static ImmutableSortedDictionary<string, string?> Flatten(SourceNode settings)
    {
        var values = ImmutableSortedDictionary.CreateBuilder<string, string?>(StringComparer.OrdinalIgnoreCase);
        AddBelow("", settings, values);
        return values.ToImmutable();
    }

    public void Check(SourceNode node)
    {
        var firsts = new Dictionary<string, SourceMember>(StringComparer.OrdinalIgnoreCase);
        foreach (var member in node.Members)
        {
            var key = JsonPath.Escape(member.Key);
            if (member.Key.Length == 0 || member.Key.Contains(':', StringComparison.Ordinal))
            {
                Note(member, $"the settings key '{key}' is not allowed, expected one without ':' that is not empty; nest an object instead");
            }

            if (!firsts.TryAdd(member.Key, member))
            {
                var (first, (line, column), _) = firsts[member.Key];
                var sameBut = first == member.Key ? "" : $" (as '{JsonPath.Escape(first)}': settings keys are the same in any case)";
                Note(member, $"duplicate key '{key}', the first is at {line}:{column}{sameBut}; remove one of them");
            }
        }

        foreach (var below in node.Members.Select(member => member.Node).Concat(node.Items))
        {
            Check(below);
        }
    }

    private static void Add(string key, SourceNode node, ImmutableSortedDictionary<string, string?>.Builder values)
    {
        if (node.Members.IsEmpty && node.Items.IsEmpty)
        {
            values[key] = node.Type switch
            {
                JTokenType.Null or JTokenType.Object => null,
                JTokenType.Array => "",
                JTokenType.String => (string?)node.Value,
                _ => node.Written,
            };
        }

        AddBelow(key + ':', node, values);
    }

    private static void AddBelow(string prefix, SourceNode node, ImmutableSortedDictionary<string, string?>.Builder values)
    {
        foreach (var (name, _, value) in node.Members)
        {
            Add(prefix + name, value, values);
        }

        foreach (var (index, item) in node.Items.Index())
        {
            Add($"{prefix}{index}", item, values);
        }
    }

    private void Note(SourceMember member, string message) =>
        errors.Add(new ConfigError(file, member.Start.Line, member.Start.Column, member.Node.Path, message));
}
