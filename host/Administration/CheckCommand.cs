using System.Collections.Immutable;
using Microsoft.Extensions.Logging.Abstractions;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;
using PluginServer.Plugins;
using PluginServer.Supervision;

namespace PluginServer.Administration;

/// <summary>Everything that can be said of a configuration without serving it.</summary>
internal static class CheckCommand
{
    public static int Run(CommandContext context, string file, bool json)
    {
        var read = ConfigReader.Read(file);
        using var scratch = new ScratchDirectory();
        var prepared = read.Config is { } config
            ? new PluginPreparation(new PluginStore(scratch.Path), NullLoggerFactory.Instance, new EventStream(TimeProvider.System), TimeProvider.System, new LastingObjects(static () => new ConnectionGroups())).Prepare(config, PresentPlugins.None, ImmutableDictionary<string, PluginBuild>.Empty)
            : null;
        var tls = read.Config is { } valid ? PreparedTls.Load(valid, TimeProvider.System.GetUtcNow(), []) : PreparedTls.None;
        var admin = read.Config?.Admin.Tls is { } section ? TlsCredentials.Load(section, TimeProvider.System.GetUtcNow()) : null;
        var errors = prepared is null ? read.Errors : [.. prepared.Errors, .. tls.Errors, .. admin?.Errors ?? []];
        var warnings = Warnings(tls, admin?.Credentials);
        if (json)
        {
            context.Output.WriteLine(ToJson(read.Config, prepared, tls, warnings, errors).ToString(Formatting.Indented));
            return errors.Count == 0 ? 0 : 1;
        }

        if (errors.Count > 0)
        {
            return context.Fail(errors.Select(error => error.ToString()));
        }

        Print(context.Report, read.Config!, prepared!, tls, warnings);
        return 0;
    }

    private static void Print(Report report, ServerConfig config, PreparedPlugins prepared, PreparedTls tls, List<(string? Endpoint, string Warning)> warnings)
    {
        report.Line($"{config.File}: no errors");
        report.Table(
            ["Plugin", "Version", "sha256"],
            [.. prepared.Inspections.Select(plugin => new[] { plugin.Build.Name, plugin.Version, plugin.Build.Sha256 })]);
        report.Table(
            ["Endpoint", "Address", "Plugin", "Handler"],
            [.. config.Endpoints.Select(endpoint => new[] { endpoint.Name, endpoint.ListensOn, endpoint.Plugin, prepared.Bindings[endpoint.Name].Handler })]);
        foreach (var (endpoint, credentials) in tls.Loaded)
        {
            report.Line($"TLS of {endpoint}: {credentials.Describe()}");
        }

        foreach (var (endpoint, warning) in warnings)
        {
            report.Line($"warning: {(endpoint is null ? "administration" : $"endpoint {endpoint}")}: {warning}");
        }

        report.Table(["Key", "An edit takes effect"], [.. Keys.Select(key => new[] { key.Path, Words(key.Change) })]);
    }

    /// <summary>Those of the administration are of no endpoint.</summary>
    private static List<(string? Endpoint, string Warning)> Warnings(PreparedTls tls, TlsCredentials? admin) =>
        [.. tls.Loaded.SelectMany(loaded => loaded.Credentials.Warnings.Select(warning => ((string?)loaded.Endpoint, warning))), .. (admin?.Warnings ?? []).Select(warning => ((string?)null, warning))];

    private static IEnumerable<ConfigKey> Keys => ConfigKeys.All.Where(key => key.Change is not (ConfigChange.None or ConfigChange.ByMember));

    private static string Words(ConfigChange change) => change switch
    {
        ConfigChange.Live => "live",
        ConfigChange.InPlace => "in place on the listener",
        ConfigChange.NextConnection => "from the next connection on",
        ConfigChange.NewGeneration => "with a new generation",
        ConfigChange.OpensSocket => "opens a socket, the new before the old closes",
        _ => "at the next start",
    };

    private static JObject ToJson(ServerConfig? config, PreparedPlugins? prepared, PreparedTls tls, List<(string? Endpoint, string Warning)> warnings, IReadOnlyList<ConfigError> errors) => new()
    {
        ["valid"] = errors.Count == 0,
        ["errors"] = new JArray(errors.Select(error => new JObject
        {
            ["file"] = error.File,
            ["line"] = error.Line,
            ["column"] = error.Column,
            ["path"] = error.Path,
            ["message"] = error.Message,
        })),
        ["warnings"] = new JArray(warnings.Select(entry => new JObject { ["endpoint"] = entry.Endpoint, ["message"] = entry.Warning })),
        ["plugins"] = new JArray((prepared?.Inspections ?? []).Select(plugin => new JObject
        {
            ["name"] = plugin.Build.Name,
            ["version"] = plugin.Version,
            ["sha256"] = plugin.Build.Sha256,
            ["handlers"] = new JArray(plugin.Handlers),
        })),
        ["endpoints"] = new JArray((config?.Endpoints ?? []).Select(endpoint => new JObject
        {
            ["name"] = endpoint.Name,
            ["address"] = endpoint.AddressText,
            ["port"] = endpoint.ListensOnKey == "port" ? endpoint.Port : null,
            ["plugin"] = endpoint.Plugin,
            ["handler"] = prepared?.Bindings.GetValueOrDefault(endpoint.Name)?.Handler,
            ["certificates"] = tls.Of(endpoint)?.Credentials?.Describe(),
        })),
        ["keys"] = new JArray(Keys.Select(key => new JObject { ["path"] = key.Path, ["change"] = Words(key.Change) })),
    };
}
