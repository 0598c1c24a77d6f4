using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using PluginServer.Configuration;
using PluginServer.Supervision;

namespace PluginServer.Administration;

/// <summary>Which call does what.</summary>
internal static class AdminRoutes
{
    /// <summary>How many connections are listed where nobody says how many.</summary>
    private const int ListedConnections = 1000;

    // Load balancers ask by either.
    private static readonly string[] Read = [HttpMethods.Get, HttpMethods.Head];

    /// <param name="app">Where they are mapped.</param>
    /// <param name="calls">What they do.</param>
    /// <param name="token">Whose file is named.</param>
    /// <param name="tls">What it shows itself; null on plain HTTP.</param>
    /// <param name="time">By which a silence is long.</param>
    /// <param name="stopping">Cancelled when calls that do not end by themselves are to end.</param>
    public static void Map(IEndpointRouteBuilder app, AdminCalls calls, AdminToken token, AdminTls? tls, TimeProvider time, CancellationToken stopping)
    {
        Dashboard.Map(app);
        app.MapMethods("/health/live", Read, context => context.Response.WriteAsync("live\n"));
        app.MapMethods("/health/ready", Read, context =>
        {
            var isReady = calls.IsReady();
            context.Response.StatusCode = isReady ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
            return context.Response.WriteAsync(isReady ? "ready\n" : "not ready\n");
        });
        app.MapMethods("/metrics", Read, context =>
        {
            context.Response.ContentType = PrometheusText.ContentType;
            return context.Response.WriteAsync(PrometheusText.Of(calls.Metrics()));
        });
        app.MapMethods("/api/status", Read, context => WriteAsync(context, StatusCodes.Status200OK, AdminJson.Of(Complete(calls.Status(), tls), token.File)));
        app.MapMethods("/api/connections", Read, context => ListAsync(context, calls));
        app.MapGet("/api/events", context => EventFeed.WriteAsync(context, calls.Events, time, stopping));
        app.MapPost("/api/reload", async context => await AnswerAsync(context, await calls.ReloadAsync()));
        app.MapPost("/api/plugins/{plugin}/rollback", async context => await AnswerAsync(context, await calls.RollbackAsync(Named(context, "plugin"))));
        app.MapPost("/api/endpoints/{endpoint}/pause", context => SwitchAsync(context, calls, calls.Pause));
        app.MapPost("/api/endpoints/{endpoint}/resume", context => SwitchAsync(context, calls, calls.Resume));
        app.MapPost("/api/endpoints/{endpoint}/drain", context => DrainAsync(context, calls));
        app.MapDelete("/api/connections/{id}", context => CutAsync(context, calls));
    }

    public static Task WriteAsync(HttpContext context, int status, JToken body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        return context.Response.WriteAsync(body.ToString(Formatting.Indented) + "\n");
    }

    public static Task RefuseAsync(HttpContext context, int status, string message) => WriteAsync(context, status, new JObject { ["error"] = message });

    /// <summary>The certificates of administration are nothing that the host itself knows of.</summary>
    private static ServerStatus Complete(ServerStatus status, AdminTls? tls) => tls is null ? status : status with { Problems = [.. status.Problems, .. tls.Due()] };

    private static string Named(HttpContext context, string part) => (string)context.GetRouteValue(part)!;

    private static Task ListAsync(HttpContext context, AdminCalls calls)
    {
        var (endpoint, asked) = ((string?)context.Request.Query["endpoint"], (string?)context.Request.Query["limit"]);
        var limit = ListedConnections;
        if (asked is not null && (!int.TryParse(asked, NumberStyles.None, CultureInfo.InvariantCulture, out limit) || limit == 0))
        {
            return RefuseAsync(context, StatusCodes.Status400BadRequest, $"limit is \"{asked}\"; it must be a whole number from 1 on");
        }

        // One that was removed may still have connections.
        var report = calls.Connections(endpoint, limit);
        if (endpoint is not null && report.Total == 0 && !calls.Endpoints().Contains(endpoint))
        {
            return UnknownAsync(context, calls, endpoint);
        }

        context.Response.Headers["X-Total-Count"] = report.Total.ToString(CultureInfo.InvariantCulture);
        return WriteAsync(context, StatusCodes.Status200OK, AdminJson.Of(report));
    }

    private static Task SwitchAsync(HttpContext context, AdminCalls calls, Func<string, EndpointState?> act)
    {
        var endpoint = Named(context, "endpoint");
        return act(endpoint) is { } state
            ? WriteAsync(context, StatusCodes.Status200OK, new JObject { ["endpoint"] = endpoint, ["state"] = state.ToString().ToLowerInvariant() })
            : UnknownAsync(context, calls, endpoint);
    }

    private static async Task DrainAsync(HttpContext context, AdminCalls calls)
    {
        var (endpoint, asked) = (Named(context, "endpoint"), (string?)context.Request.Query["timeout"]);
        TimeSpan? timeout = null;
        if (asked is not null)
        {
            timeout = ConfigValue.Time(asked);
            if (timeout is null)
            {
                await RefuseAsync(context, StatusCodes.Status400BadRequest, $"timeout is \"{asked}\"; it must be a time from 00:00:00 to {ConfigKey.LongestDuration}, like 00:00:30");
                return;
            }
        }

        await (calls.DrainAsync(endpoint, timeout) is { } draining
            ? WriteAsync(context, StatusCodes.Status200OK, AdminJson.Of(endpoint, await draining))
            : UnknownAsync(context, calls, endpoint));
    }

    private static Task CutAsync(HttpContext context, AdminCalls calls)
    {
        var named = Named(context, "id");
        return long.TryParse(named, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && calls.Cut(id) is { } endpoint
            ? WriteAsync(context, StatusCodes.Status200OK, new JObject { ["id"] = id, ["endpoint"] = endpoint, ["cut"] = true })
            : RefuseAsync(context, StatusCodes.Status404NotFound, $"there is no connection {named}, or it has ended");
    }

    private static Task UnknownAsync(HttpContext context, AdminCalls calls, string endpoint) =>
        RefuseAsync(context, StatusCodes.Status404NotFound, $"there is no endpoint {endpoint}; there is {string.Join(", ", calls.Endpoints())}");

    private static Task AnswerAsync(HttpContext context, ReloadOutcome outcome) =>
        WriteAsync(context, outcome.Accepted ? StatusCodes.Status200OK : StatusCodes.Status409Conflict, AdminJson.Of(outcome));
}
