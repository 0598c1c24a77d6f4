using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace PluginServer.Administration;

/// <summary>The page for people: three files that are part of the host, and everything else by the API.</summary>
internal static class Dashboard
{
    /// <summary>What the page may use: its own files and the API, nothing from elsewhere and nothing inline.</summary>
    private const string Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static void Map(IEndpointRouteBuilder app)
    {
        Map(app, "/", "index.html", "text/html; charset=utf-8");
        Map(app, "/dashboard.css", "dashboard.css", "text/css; charset=utf-8");
        Map(app, "/dashboard.js", "dashboard.js", "text/javascript; charset=utf-8");
    }

    private static void Map(IEndpointRouteBuilder app, string path, string file, string type)
    {
        app.MapMethods(path, [HttpMethods.Get, HttpMethods.Head], async context =>
        {
            context.Response.ContentType = type;
            context.Response.Headers.ContentSecurityPolicy = Policy;
            await using var stream = typeof(Dashboard).Assembly.GetManifestResourceStream($"dashboard/{file}")!;
            await stream.CopyToAsync(context.Response.Body, context.RequestAborted);
        });
    }
}
