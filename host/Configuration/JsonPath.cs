using System.Text.RegularExpressions;
using Newtonsoft.Json;

namespace PluginServer.Configuration;

/// <summary>Paths such as <c>endpoints[0].settings['a.b']</c>: how they grow, and what encloses them.</summary>
internal static partial class JsonPath
{
    public static string Member(string path, string key)
    {
        // A key that holds a separator would read as two, and share its path with another key.
        if (!Plain().IsMatch(key))
        {
            return $"{path}['{Escape(key)}']";
        }

        return path.Length == 0 ? key : $"{path}.{key}";
    }

    public static string Item(string path, int index) => $"{path}[{index}]";

    /// <summary>The path around this one; empty around a top-level key.</summary>
    public static string Parent(string path)
    {
        var last = 0;
        for (var at = 0; at < path.Length; at = EndOfPart(path, at))
        {
            last = at;
        }

        return path[..last];
    }

    /// <summary>A key as messages show it, on one line whatever it holds.</summary>
    public static string Escape(string key) => JsonConvert.ToString(key, '\'')[1..^1];

    private static int EndOfPart(string path, int start)
    {
        var quoted = path.AsSpan(start).StartsWith("['");
        var at = start + (quoted ? 2 : 1);
        while (at < path.Length && (quoted || path[at] is not ('.' or '[')))
        {
            if (quoted && path[at] == '\'')
            {
                return Math.Min(at + 2, path.Length);
            }

            at += quoted && path[at] == '\\' ? 2 : 1;
        }

        return Math.Min(at, path.Length);
    }

    [GeneratedRegex(@"\A[\p{L}\p{Nd}_$*:@+-]+\z")]
    private static partial Regex Plain();
}
