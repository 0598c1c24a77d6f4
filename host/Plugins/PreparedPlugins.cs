using PluginServer.Configuration;

namespace PluginServer.Plugins;

/// <summary>What <see cref="PluginPreparation"/> made: loaded generations and bound handlers, or errors.</summary>
internal sealed class PreparedPlugins
{
    public List<ConfigError> Errors { get; } = [];

    public List<PluginInspection> Inspections { get; } = [];

    /// <summary>By plugin.</summary>
    public Dictionary<string, PluginGeneration> Generations { get; } = new(StringComparer.Ordinal);

    /// <summary>By endpoint name.</summary>
    public Dictionary<string, HandlerBinding> Bindings { get; } = new(StringComparer.Ordinal);

    /// <summary>Lets go of everything, when what was prepared is not going to serve.</summary>
    public void Discard()
    {
        Bindings.Clear();
        foreach (var generation in Generations.Values)
        {
            // Nothing of it serves, so nothing waits: it retires by itself, and tells if it cannot.
            _ = generation.RetireAsync();
        }
    }
}
