using System.Collections.Immutable;

namespace PluginServer.Configuration;

/// <summary>Where every key and value of one file stands.</summary>
internal sealed class ConfigPositions
{
    private readonly string _file;
    private readonly ImmutableDictionary<string, (int Line, int Column)>.Builder _values = ImmutableDictionary.CreateBuilder<string, (int, int)>();
    private readonly ImmutableDictionary<string, (int Line, int Column)>.Builder _keys = ImmutableDictionary.CreateBuilder<string, (int, int)>();

    public ConfigPositions(string file, SourceNode root)
    {
        _file = file;
        Add(root);
    }

    public ConfigPosition Root => new(_file, "", _values.ToImmutable(), _keys.ToImmutable());

    /// <summary>The position of one value, which knows what is around and below it, in whatever case it is asked for.</summary>
    /// <remarks>Only these: plugins may be called Echo and echo, and their settings must not be taken for each other's.</remarks>
    public ConfigPosition Of(string path)
    {
        var around = new HashSet<string>();
        for (var at = path; at.Length > 0; at = JsonPath.Parent(at))
        {
            around.Add(at);
        }

        return new(_file, path, Near(_values, path, around), Near(_keys, path, around));
    }

    private static ImmutableDictionary<string, (int Line, int Column)> Near(IEnumerable<KeyValuePair<string, (int, int)>> all, string path, HashSet<string> around)
    {
        var near = ImmutableDictionary.CreateBuilder<string, (int Line, int Column)>(StringComparer.OrdinalIgnoreCase);
        foreach (var (key, place) in all.Where(pair => pair.Key.Length == 0 || around.Contains(pair.Key) || IsBelow(pair.Key, path)))
        {
            near.TryAdd(key, place);
        }

        return near.ToImmutable();
    }

    private static bool IsBelow(string path, string other) =>
        path.Length > other.Length && path.StartsWith(other, StringComparison.Ordinal) && path[other.Length] is '.' or '[';

    private void Add(SourceNode node)
    {
        _values.TryAdd(node.Path, node.Start);
        foreach (var member in node.Members)
        {
            _keys.TryAdd(member.Node.Path, member.Start);
            Add(member.Node);
        }

        foreach (var item in node.Items)
        {
            Add(item);
        }
    }
}
