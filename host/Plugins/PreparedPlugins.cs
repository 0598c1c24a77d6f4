using PluginServer.Configuration;

namespace PluginServer.Plugins;

/// <summary>What <see cref="PluginPreparation"/> made: loaded generations and bound handlers, or errors.</summary>
internal sealed class PreparedPlugins
{
    public List<ConfigError> Errors { get; } = [];

    /// <summary>Plugins that cannot be used so, with the build if it got that far, and why.</summary>
    public Dictionary<string, (PluginBuild? Build, IReadOnlyList<ConfigError> Errors)> Failed { get; } = new(StringComparer.Ordinal);

    public List<PluginInspection> Inspections { get; } = [];

    /// <summary>Newly loaded, by plugin.</summary>
    public Dictionary<string, PluginGeneration> Generations { get; } = new(StringComparer.Ordinal);

    /// <summary>Already serving and unchanged, by plugin.</summary>
    public Dictionary<string, PluginGeneration> Kept { get; } = new(StringComparer.Ordinal);

    /// <summary>By endpoint name.</summary>
    public Dictionary<string, HandlerBinding> Bindings { get; } = new(StringComparer.Ordinal);

    /// <summary>Compiles what was loaded, starts its services and warms its handlers up; adds an error where that fails.</summary>
    public async Task StartAsync(ServerConfig config, TimeProvider time)
    {
        foreach (var (name, generation) in Generations)
        {
            var began = time.GetTimestamp();
            try
            {
                generation.Loaded.Compile();
                await generation.Loaded.StartAsync();
                foreach (var endpoint in config.Endpoints.Where(endpoint => endpoint.Plugin == name))
                {
                    await WarmUp.RunAsync(generation, endpoint.Name, Bindings[endpoint.Name], time);
                }

                generation.LoadTime += time.GetElapsedTime(began);
            }
            catch (PluginException problem)
            {
                var error = config.Endpoints.First(endpoint => endpoint.Plugin == name).Position["plugin"].Error(problem.Message);
                Errors.Add(error);
                Failed[name] = (generation.Build, [error]);
            }
        }
    }

    /// <summary>Stops and lets go of everything that was loaded, when it is not going to serve.</summary>
    public async Task DiscardAsync()
    {
        Bindings.Clear();
        foreach (var generation in Generations.Values)
        {
            await generation.StopAsync();

            // No connection holds it, so nothing waits for its unloading: it retires by itself, and tells if it cannot.
            _ = generation.RetireAsync();
        }

        Generations.Clear();
    }
}
