using PluginServer.Configuration;

namespace PluginServer.Plugins;

/// <summary>What already runs, as far as a preparation may use it again.</summary>
/// <param name="plugins">By name; one that is not there has no generation yet.</param>
/// <param name="bound">The configuration and the present binding of the endpoint with an identity; null where there is none.</param>
internal sealed class PresentPlugins(IReadOnlyDictionary<string, RunningPlugin> plugins, Func<string, (EndpointConfig Config, HandlerBinding Binding)?> bound)
{
    /// <summary>Nothing runs.</summary>
    public static readonly PresentPlugins None = new(new Dictionary<string, RunningPlugin>(), _ => null);

    /// <summary>The serving generation, when it is of that build and has those settings.</summary>
    public PluginGeneration? Generation(PluginBuild build, PluginConfig plugin) =>
        plugins.GetValueOrDefault(build.Name)?.Active is { } active && active.Build.Sha256 == build.Sha256 && active.Settings == plugin.Settings ? active : null;

    /// <summary>An endpoint's binding, when it is of that generation and nothing about the handler has changed.</summary>
    public HandlerBinding? Binding(EndpointConfig endpoint, PluginGeneration generation) =>
        bound(endpoint.Identity) is { } present && present.Binding.Generation == generation && present.Config.Handler == endpoint.Handler && present.Config.Settings == endpoint.Settings
            ? present.Binding
            : null;

    public int NextNumber(string plugin) => plugins.GetValueOrDefault(plugin)?.NextNumber() ?? 1;
}
