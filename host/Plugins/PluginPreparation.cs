using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using PluginServer.Configuration;
using PluginServer.Diagnostics;

namespace PluginServer.Plugins;

/// <summary>The plugins half of PREPARE: copies, inspects and loads every plugin that an endpoint names, and binds the handlers.</summary>
/// <remarks>Starts no service and constructs no handler, so <c>check</c> goes exactly this far.</remarks>
internal sealed class PluginPreparation(PluginStore store, ILoggerFactory logs, EventStream events, TimeProvider time, LastingObjects lasting, Telemetry? telemetry = null)
{
    private readonly PluginInspector _inspector = new();

    /// <summary>Prepares all plugins of a configuration; whatever was loaded is in the result, also beside errors.</summary>
    /// <param name="config">What is to run.</param>
    /// <param name="present">What runs now; what has not changed of it is used again.</param>
    /// <param name="chosen">Builds to take instead of what lies in the drop folder, by plugin.</param>
    public PreparedPlugins Prepare(ServerConfig config, PresentPlugins present, IReadOnlyDictionary<string, PluginBuild> chosen)
    {
        var prepared = new PreparedPlugins();
        foreach (var endpoints in config.Endpoints.GroupBy(endpoint => endpoint.Plugin, StringComparer.Ordinal))
        {
            var before = prepared.Errors.Count;
            var build = chosen.GetValueOrDefault(endpoints.Key);
            try
            {
                build ??= store.Import(config.PluginDirectory, endpoints.Key);
                Prepare(config, build, [.. endpoints], present, prepared);
            }
            catch (PluginException problem)
            {
                prepared.Errors.Add(endpoints.First().Position["plugin"].Error(problem.Message));
            }

            if (prepared.Errors.Count > before)
            {
                prepared.Failed.Add(endpoints.Key, (build, [.. prepared.Errors.Skip(before)]));
            }
        }

        return prepared;
    }

    private void Prepare(ServerConfig config, PluginBuild build, List<EndpointConfig> endpoints, PresentPlugins present, PreparedPlugins prepared)
    {
        var plugin = config.Plugin(build.Name);
        if (plugin.Sha256 is { } pinned && pinned != build.Sha256)
        {
            prepared.Errors.Add(plugin.Position!["sha256"].Error($"plugin {build.Name}: the build in {build.Source} is {build.Sha256}, and only this one may run; put that build there, or change the pin"));
            return;
        }

        if (present.Generation(build, plugin) is { } serving)
        {
            prepared.Kept.Add(build.Name, serving);
            Bind(serving, endpoints, present, prepared);
            return;
        }

        var inspection = _inspector.Inspect(build);
        prepared.Inspections.Add(inspection);
        prepared.Errors.AddRange(inspection.Problems.Select(endpoints[0].Position["plugin"].Error));
        if (inspection.Problems.Count > 0)
        {
            return;
        }

        var (number, began) = (present.NextNumber(build.Name), time.GetTimestamp());
        var loaded = LoadedPlugin.Load(inspection, number, plugin, lasting.Of(build.Name), logs, time, telemetry);
        var generation = new PluginGeneration(number, inspection, plugin.Settings, loaded, time, logs.CreateLogger(Log.Category), events);
        prepared.Generations.Add(build.Name, generation);
        Bind(generation, endpoints, present, prepared);
        generation.LoadTime = time.GetElapsedTime(began);
        if (plugin.Settings.Values.Count > 0 && inspection.PluginType is null && !inspection.Handlers.Any(handler => HandlerBinder.AsksFor<IConfiguration>(loaded, handler)))
        {
            prepared.Errors.Add(plugin.Settings.Position.Error($"nothing in plugin {build.Name} reads them: it has no IPlugin, and no handler asks for IConfiguration; remove them, or put what is for a handler under the endpoint's settings"));
        }
    }

    private static void Bind(PluginGeneration generation, List<EndpointConfig> endpoints, PresentPlugins present, PreparedPlugins prepared)
    {
        foreach (var endpoint in endpoints)
        {
            if ((present.Binding(endpoint, generation) ?? Bind(generation, endpoint, prepared.Errors)) is not { } binding)
            {
                continue;
            }

            prepared.Bindings.Add(endpoint.Name, binding);
            foreach (var key in binding.ReadsMessages ? [] : OfMessages(endpoint))
            {
                prepared.Errors.Add(endpoint.Position[key].Error($"{binding.Handler} of plugin {endpoint.Plugin} is no MessageHandler, so the host does not know where a message begins; remove it"));
            }
        }
    }

    private static HandlerBinding? Bind(PluginGeneration generation, EndpointConfig endpoint, List<ConfigError> errors) =>
        ResolveHandler(generation.Inspection, endpoint, errors) is { } handler ? HandlerBinder.Bind(generation, handler, endpoint, errors) : null;

    private static IEnumerable<string> OfMessages(EndpointConfig endpoint)
    {
        if (endpoint.MessageTimeout is not null)
        {
            yield return "messageTimeout";
        }

        if (endpoint.MinimumRate > 0)
        {
            yield return "minimumRate";
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
