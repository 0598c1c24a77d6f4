using System.Collections.Immutable;
using Newtonsoft.Json.Linq;

namespace PluginServer.Configuration;

/// <summary>One value of a JSON file and where it begins; unlike a JToken it keeps duplicate keys and the digits of a number.</summary>
/// <param name="Path">From the root, such as <c>endpoints[0].port</c>.</param>
/// <param name="Start">Line and column of its first character, from 1.</param>
/// <param name="Value">The value itself; empty for an object and an array, whose content is below.</param>
/// <param name="Written">The token as it stands in the file.</param>
internal sealed record SourceNode(string Path, (int Line, int Column) Start, JToken Value, string Written)
{
    public JTokenType Type => Value.Type;

    public ImmutableArray<SourceMember> Members { get; init; } = [];

    public ImmutableArray<SourceNode> Items { get; init; } = [];

    /// <summary>The first member of that name.</summary>
    public SourceNode? this[string key] => Members.FirstOrDefault(member => member.Key == key)?.Node;
}

/// <summary>A key and its value.</summary>
internal sealed record SourceMember(string Key, (int Line, int Column) Start, SourceNode Node);
