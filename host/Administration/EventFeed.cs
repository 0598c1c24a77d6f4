using System.Globalization;
using Microsoft.AspNetCore.Http;
using Newtonsoft.Json;
using PluginServer.Diagnostics;

namespace PluginServer.Administration;

/// <summary>What happens to the host, as server-sent events: the last ones first, then each as it comes.</summary>
/// <remarks>See https://html.spec.whatwg.org/multipage/server-sent-events.html.</remarks>
internal static class EventFeed
{
    /// <summary>Proxies take a connection that is silent for longer as dead.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(15);

    /// <summary>Ends when the client goes away, or the endpoint is about to end.</summary>
    public static async Task WriteAsync(HttpContext context, EventStream events, CancellationToken stopping)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        var response = context.Response;
        response.ContentType = "text/event-stream";
        _ = long.TryParse(context.Request.Headers["Last-Event-ID"], NumberStyles.None, CultureInfo.InvariantCulture, out var after);
        try
        {
            await response.StartAsync(end.Token);
            await using var follower = events.FollowAsync(after, end.Token).GetAsyncEnumerator(end.Token);
            while (true)
            {
                var next = follower.MoveNextAsync().AsTask();
                while (await Task.WhenAny(next, Task.Delay(Silence, end.Token)) != next)
                {
                    end.Token.ThrowIfCancellationRequested();
                    await response.WriteAsync(": nothing has happened\n\n", end.Token);
                }

                await next;
                var happened = follower.Current;
                await response.WriteAsync($"id: {happened.Number}\nevent: host\ndata: {AdminJson.Of(happened).ToString(Formatting.None)}\n\n", end.Token);
            }
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // The one end that it has.
        }
    }
}
