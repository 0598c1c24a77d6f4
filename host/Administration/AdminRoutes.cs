using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using PluginServer.Supervision;

namespace PluginServer.Administration;

/// <summary>Which call does what.</summary>
internal static class AdminRoutes
{
    // Load balancers ask by either.
    private static readonly string[] Read = [HttpMethods.Get, HttpMethods.Head];

    public static void Map(IEndpointRouteBuilder app, AdminCalls calls, AdminToken token)
    {
        app.MapMethods("/health/live", Read, context => context.Response.WriteAsync("live\n"));
        app.MapMethods("/health/ready", Read, context =>
        {
            var isReady = calls.IsReady();
            context.Response.StatusCode = isReady ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
            return context.Response.WriteAsync(isReady ? "ready\n" : "not ready\n");
        });
        app.MapMethods("/api/status", Read, context => WriteAsync(context, StatusCodes.Status200OK, AdminJson.Of(calls.Status(), token.File)));
        app.MapPost("/api/reload", async context => await AnswerAsync(context, await calls.ReloadAsync()));
        app.MapPost("/api/plugins/{plugin}/rollback", async context => await AnswerAsync(context, await calls.RollbackAsync((string)context.GetRouteValue("plugin")!)));
    }

    public static Task WriteAsync(HttpContext context, int status, JObject body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        return context.Response.WriteAsync(body.ToString(Formatting.Indented) + "\n");
    }

    private static Task AnswerAsync(HttpContext context, ReloadOutcome outcome) =>
        WriteAsync(context, outcome.Accepted ? StatusCodes.Status200OK : StatusCodes.Status409Conflict, AdminJson.Of(outcome));
}
