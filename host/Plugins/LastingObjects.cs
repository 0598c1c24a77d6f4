using System.Collections.Concurrent;

namespace PluginServer.Plugins;

/// <summary>What a plugin has for as long as the host runs, whichever of its builds serve.</summary>
/// <param name="createGroups">Makes the groups of a plugin.</param>
internal sealed class LastingObjects(Func<IConnectionGroups> createGroups)
{
    private readonly ConcurrentDictionary<string, Lazy<(PluginState State, IConnectionGroups Groups)>> _plugins = new(StringComparer.Ordinal);

    /// <summary>Those of a plugin: always the same ones.</summary>
    public (PluginState State, IConnectionGroups Groups) Of(string plugin) =>
        _plugins.GetOrAdd(plugin, _ => new(() => (new PluginState(), createGroups()))).Value;
}
