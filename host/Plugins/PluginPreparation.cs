using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using PluginServer.Configuration;
using PluginServer.Diagnostics;

namespace PluginServer.Plugins;

/// <summary>The plugins half of PREPARE: copies, inspects and loads every plugin that an endpoint names, and binds the handlers.</summary>
/// <remarks>Starts no service and constructs no handler, so <c>check</c> goes exactly this far.</remarks>
internal sealed class PluginPreparation(PluginStore store, ILoggerFactory logs, TimeProvider time)
{
    private readonly PluginInspector _inspector = new();

    /// <summary>Prepares all plugins of a configuration; whatever was loaded is in the result, also beside errors.</summary>
    public PreparedPlugins Prepare(ServerConfig config)
    {
        var prepared = new PreparedPlugins();
        foreach (var endpoints in config.Endpoints.GroupBy(endpoint => endpoint.Plugin, StringComparer.Ordinal))
        {
            Prepare(config, endpoints.Key, [.. endpoints], prepared);
        }

        return prepared;
    }

    /// <summary>Copies and inspects one plugin, whether an endpoint names it or not.</summary>
    /// <exception cref="PluginException">There is nothing to inspect.</exception>
    public PluginInspection Inspect(string pluginDirectory, string name) => _inspector.Inspect(store.Import(pluginDirectory, name));

    private void Prepare(ServerConfig config, string name, List<EndpointConfig> endpoints, PreparedPlugins prepared)
    {
        var position = endpoints[0].Position["plugin"];
        try
        {
            var inspection = Inspect(config.PluginDirectory, name);
            prepared.Inspections.Add(inspection);
            if (inspection.Problems.Count > 0)
            {
                prepared.Errors.AddRange(inspection.Problems.Select(position.Error));
                return;
            }

            var handlers = endpoints.Select(endpoint => (endpoint, Handler: ResolveHandler(inspection, endpoint, prepared.Errors))).ToList();
            if (handlers.Any(pair => pair.Handler is null))
            {
                return;
            }

            const int first = 1;
            var settings = config.Plugin(name).Settings;
            var loaded = LoadedPlugin.Load(inspection, first, settings, logs, time);
            prepared.Generations.Add(name, new PluginGeneration(first, inspection, loaded, time, logs.CreateLogger(Log.Category)));
            if (settings.Values.Count > 0 && inspection.PluginType is null && !handlers.Any(pair => HandlerBinder.AsksFor<IConfiguration>(loaded, pair.Handler!)))
            {
                prepared.Errors.Add(settings.Position.Error($"nothing in plugin {name} reads them: it has no IPlugin, and no handler asks for IConfiguration; remove them, or put what is for a handler under the endpoint's settings"));
            }

            foreach (var (endpoint, handler) in handlers)
            {
                if (HandlerBinder.Bind(prepared.Generations[name], handler!, endpoint, prepared.Errors) is { } binding)
                {
                    prepared.Bindings.Add(endpoint.Name, binding);
                }
            }
        }
        catch (PluginException problem)
        {
            prepared.Errors.Add(position.Error(problem.Message));
        }
    }

    private static string? ResolveHandler(PluginInspection inspection, EndpointConfig endpoint, List<ConfigError> errors)
    {
        try
        {
            return inspection.ResolveHandler(endpoint.Handler);
        }
        catch (PluginException problem)
        {
            errors.Add(endpoint.Position[endpoint.Handler is null ? "plugin" : "handler"].Error(problem.Message));
            return null;
        }
    }
}
