using System.Globalization;
using System.Text.Json;
using Newtonsoft.Json.Linq;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Supervision;

namespace PluginServer.Administration;

/// <summary>What the API answers; programs rely on each name, so each is written out here.</summary>
internal static class AdminJson
{
    public static JObject Of(ServerStatus status, string tokenFile) => new()
    {
        ["pid"] = status.Pid,
        ["version"] = status.Version,
        ["startedAt"] = Moment(status.StartedAt),
        ["revision"] = status.Revision,
        ["tokenFile"] = tokenFile,
        ["ready"] = status.Ready,
        ["activeConnections"] = status.ActiveConnections,
        ["maxConnections"] = status.MaxConnections,
        ["problems"] = new JArray(status.Problems.Select(Of)),
        ["config"] = Of(status.Config),
        ["endpoints"] = new JArray(status.Endpoints.Select(Of)),
        ["plugins"] = new JArray(status.Plugins.Select(Of)),
    };

    public static JObject Of(ReloadOutcome outcome)
    {
        var json = new JObject { ["accepted"] = outcome.Accepted, ["revision"] = outcome.Revision };
        json.Add(outcome.Accepted ? new JProperty("changes", new JArray(outcome.Changes)) : new JProperty("errors", Of(outcome.Errors)));
        return json;
    }

    public static JArray Of(ConnectionReport report) => new(report.Connections.Select(connection => new JObject
    {
        ["id"] = connection.Id,
        ["endpoint"] = connection.Endpoint,
        ["remoteAddress"] = connection.Remote,
        ["plugin"] = connection.Plugin,
        ["generation"] = connection.Generation,
        ["age"] = Span(connection.Age),
        ["idle"] = Span(connection.Idle),
        ["bytesReceived"] = connection.BytesReceived,
        ["bytesSent"] = connection.BytesSent,
    }));

    public static JObject Of(HostEvent happened) => new()
    {
        ["number"] = happened.Number,
        ["at"] = Moment(happened.At),
        ["kind"] = JsonNamingPolicy.CamelCase.ConvertName(happened.Kind.ToString()),
        ["endpoint"] = happened.Endpoint,
        ["plugin"] = happened.Plugin,
        ["generation"] = happened.Generation,
        ["text"] = happened.Text,
    };

    public static JObject Of(string endpoint, DrainOutcome outcome) => new()
    {
        ["endpoint"] = endpoint,
        ["finished"] = outcome.Finished,
        ["closed"] = outcome.Closed,
        ["cut"] = outcome.Cut,
        ["complete"] = outcome.IsComplete,
    };

    /// <summary>An error as it came over the wire, in the words of every other place.</summary>
    public static string ErrorLine(JToken error) =>
        new ConfigError((string)error["file"]!, (int)error["line"]!, (int)error["column"]!, (string)error["path"]!, (string)error["message"]!).ToString();

    private static JArray Of(IEnumerable<ConfigError> errors) => new(errors.Select(error => new JObject
    {
        ["file"] = error.File,
        ["line"] = error.Line,
        ["column"] = error.Column,
        ["path"] = error.Path,
        ["message"] = error.Message,
    }));

    private static JObject Of(ConfigStatus config)
    {
        var json = new JObject { ["path"] = config.Path, ["state"] = config.Applied ? "applied" : "rejected", ["errors"] = Of(config.Errors) };
        if (!config.Applied)
        {
            json["waitsFor"] = new JArray(config.WaitsFor);
        }

        return json;
    }

    private static JObject Of(EndpointStatus endpoint) => new()
    {
        ["name"] = endpoint.Name,
        ["address"] = endpoint.Address,
        ["port"] = endpoint.Port > 0 ? endpoint.Port : null,
        ["plugin"] = endpoint.Plugin,
        ["handler"] = endpoint.Handler,
        ["generation"] = endpoint.Generation,
        ["state"] = endpoint.State,
        ["transport"] = endpoint.Transport,
        ["acceptors"] = endpoint.Acceptors,
        ["acceptorRestarts"] = endpoint.AcceptorRestarts,
        ["acceptErrors"] = endpoint.AcceptErrors,
        ["activeConnections"] = endpoint.ActiveConnections,
        ["maxConnections"] = endpoint.MaxConnections,
        ["acceptedConnections"] = endpoint.AcceptedConnections,
        ["rejectedConnections"] = endpoint.RejectedConnections,
        ["rejectedByReason"] = new JObject(endpoint.RejectedByReason.Select(reason => new JProperty(reason.Reason, reason.Count))),
        ["handlerFaults"] = endpoint.HandlerFaults,
        ["bytesReceived"] = endpoint.BytesReceived,
        ["bytesSent"] = endpoint.BytesSent,
    };

    private static JObject Of(Problem problem) => new()
    {
        ["kind"] = problem.Kind,
        ["endpoint"] = problem.Endpoint,
        ["plugin"] = problem.Plugin,
        ["text"] = problem.Text,
    };

    private static JObject Of(PluginStatus plugin) => new()
    {
        ["name"] = plugin.Name,
        ["isolation"] = plugin.Isolation,
        ["dispatch"] = plugin.Dispatch,
        ["version"] = plugin.Version,
        ["lastError"] = plugin.LastError,
        ["generations"] = new JArray(plugin.Generations.Select(Of)),
    };

    private static JObject Of(GenerationStatus generation)
    {
        var json = new JObject
        {
            ["number"] = generation.Number,
            ["version"] = generation.Version,
            ["sha256"] = generation.Sha256,
            ["state"] = generation.State,
            ["connections"] = generation.Connections,
            ["loadedAt"] = Moment(generation.LoadedAt),
            ["oldestConnectionAge"] = Span(generation.OldestConnectionAge),
            ["drainDeadline"] = generation.DrainDeadline is { } deadline ? Moment(deadline) : null,
            ["processId"] = null,
        };
        if (generation.StrayFaults > 0)
        {
            json["strayFaults"] = generation.StrayFaults;
        }

        AddIfKnown(json, "leak", generation.Leak);
        AddIfKnown(json, "error", generation.Error);
        return json;
    }

    private static void AddIfKnown(JObject json, string name, string? value)
    {
        if (value is not null)
        {
            json[name] = value;
        }
    }

    private static string? Span(TimeSpan? span) => span is { } known ? TimeSpan.FromSeconds((long)known.TotalSeconds).ToString("c") : null;

    private static string Moment(DateTimeOffset moment) => moment.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
}
