using System.Diagnostics.CodeAnalysis;
using Newtonsoft.Json.Linq;

namespace PluginServer.Configuration;

/// <summary>An object of the file with the defaults of its keys; absent, it is all defaults.</summary>
internal readonly record struct ConfigSection(ConfigKey Key, SourceNode? Node)
{
    /// <summary>A written or default value; false where it is neither, or wrong.</summary>
    public bool TryRead<T>(string name, [MaybeNull] out T value)
    {
        var key = ConfigKeys.Member(Key, name)!;
        value = default;
        if ((Node?[name]?.Value ?? key.Default) is not { } token || ConfigValue.Of(key, token) is not { Fault: null } read)
        {
            return false;
        }

        value = (T?)read.Value;
        return true;
    }

    /// <summary>A written or default value, the type's own default where there is neither.</summary>
    public T? Read<T>(string name) => TryRead<T>(name, out var value) ? value : default;

    public ConfigSection Section(string name) => new(ConfigKeys.Member(Key, name)!, Node?[name]);

    /// <summary>The elements of a list.</summary>
    public IEnumerable<ConfigSection> Items(string name)
    {
        var item = ConfigKeys.Below(ConfigKeys.Member(Key, name)!)[0];
        return Node?[name]?.Items.Select(node => new ConfigSection(item, node)) ?? [];
    }

    /// <summary>The plain values of a list, written or default; what is wrong in itself is left out.</summary>
    public IEnumerable<T> Values<T>(string name)
    {
        var list = ConfigKeys.Member(Key, name)!;
        var item = ConfigKeys.Below(list)[0];
        var tokens = Node?[name] is { } written ? written.Items.Select(node => node.Value) : list.Default as JArray ?? [];
        return tokens.Select(token => ConfigValue.Of(item, token)).Where(read => read.Fault is null).Select(read => (T)read.Value!);
    }

    /// <summary>The entries of a map.</summary>
    public IEnumerable<(string Name, ConfigSection Section)> Entries(string name)
    {
        var entry = ConfigKeys.Below(ConfigKeys.Member(Key, name)!)[0];
        return Node?[name]?.Members.Select(member => (member.Key, new ConfigSection(entry, member.Node))) ?? [];
    }
}
