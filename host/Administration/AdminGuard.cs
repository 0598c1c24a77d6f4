using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using PluginServer.Configuration;

namespace PluginServer.Administration;

/// <summary>Stands before every call: nothing else sees a request that is not allowed.</summary>
internal sealed class AdminGuard(AdminConfig config, AdminToken token, AdminTls? tls)
{
    /// <summary>No call has a body; this is for clients that send an empty object.</summary>
    public const int LongestBody = 4096;

    public Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        AddHeaders(context.Response.Headers);
        var request = context.Request;
        if (request.ContentLength > LongestBody)
        {
            return Refuse(context, StatusCodes.Status413PayloadTooLarge, $"the body is longer than {LongestBody} bytes; no call needs one");
        }

        // The file's permissions have said who it is.
        if (context.Features.Get<IConnectionSocketFeature>()?.Socket.AddressFamily == AddressFamily.Unix)
        {
            return NextAsync(context, next);
        }

        // A page that a browser got from elsewhere may have its own name point here, but it cannot send another name.
        if (!IsOwn(request.Host.Host, context.Connection.LocalIpAddress))
        {
            return Refuse(context, StatusCodes.Status403Forbidden, $"the Host header must be {config.AddressText} or localhost");
        }

        // A browser sends what it was once told to whoever makes it, so that may only read.
        var reads = HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method);
        if (!(reads && config.IsLocal) && !token.Accepts(request.Headers.Authorization) && !(reads && token.AcceptsPassword(request.Headers.Authorization)))
        {
            context.Response.Headers.WWWAuthenticate = reads ? new StringValues(["Basic realm=\"PluginServer: any name, and the token as the password\"", "Bearer"]) : "Bearer";

            // Whoever asks from elsewhere need not know how this machine's folders are called.
            return Refuse(context, StatusCodes.Status401Unauthorized, $"this call needs the header Authorization: Bearer TOKEN; the token is in {(config.IsLocal ? token.File : "the host's state directory")}");
        }

        return NextAsync(context, next);
    }

    /// <summary>What no call has answered gets its words here.</summary>
    private static async Task NextAsync(HttpContext context, RequestDelegate next)
    {
        await next(context);
        var (request, response) = (context.Request, context.Response);
        if (response is { HasStarted: false, StatusCode: StatusCodes.Status404NotFound })
        {
            await Refuse(context, response.StatusCode, $"there is no call {request.Method} {request.Path}");
        }
        else if (response is { HasStarted: false, StatusCode: StatusCodes.Status405MethodNotAllowed })
        {
            await Refuse(context, response.StatusCode, $"{request.Path} is not for {request.Method}, only for {response.Headers.Allow}");
        }
    }

    private bool IsOwn(string host, IPAddress? local) =>
        string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host, out var address) && address.MapToIPv6().Equals((config.Address ?? local)?.MapToIPv6()))
        || tls?.IsFor(host) == true;

    private static Task Refuse(HttpContext context, int status, string message) =>
        AdminRoutes.RefuseAsync(context, status, message);

    private static void AddHeaders(IHeaderDictionary headers)
    {
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers.ContentSecurityPolicy = "default-src 'none'; frame-ancestors 'none'";
        headers.CacheControl = "no-store";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
    }
}
