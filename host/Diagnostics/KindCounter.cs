using System.Collections.Concurrent;

namespace PluginServer.Diagnostics;

/// <summary>How often something happened, by kind. A plugin chooses what its exceptions are called, so the kinds are bounded.</summary>
internal sealed class KindCounter
{
    /// <summary>How many kinds are told apart; all others are counted together.</summary>
    public const int MostKinds = 100;

    /// <summary>The kind of what is not told apart.</summary>
    public const string Others = "others";

    private readonly ConcurrentDictionary<string, long> _counts = new(StringComparer.Ordinal);

    public long Total => _counts.Values.Sum();

    /// <summary>A copy, by kind.</summary>
    public IReadOnlyList<KeyValuePair<string, long>> All => [.. _counts.OrderBy(static count => count.Key, StringComparer.Ordinal)];

    public void Count(string kind) => _counts.AddOrUpdate(_counts.Count < MostKinds || _counts.ContainsKey(kind) ? kind : Others, 1, static (_, count) => count + 1);
}
