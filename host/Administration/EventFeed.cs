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
    public static readonly TimeSpan Silence = TimeSpan.FromSeconds(15);

    /// <summary>Ends when the client goes away, or the endpoint is about to end.</summary>
    public static async Task WriteAsync(HttpContext context, EventStream events, TimeProvider time, CancellationToken stopping)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        var response = context.Response;
        response.ContentType = "text/event-stream";
        _ = long.TryParse(context.Request.Headers["Last-Event-ID"], NumberStyles.None, CultureInfo.InvariantCulture, out var after);
        var follower = events.FollowAsync(after, end.Token).GetAsyncEnumerator(CancellationToken.None);
        var next = Task.FromResult(false);
        try
        {
            next = follower.MoveNextAsync().AsTask();

            // Who follows from here on is told so at once, though nothing may happen for days.
            await response.Body.FlushAsync(end.Token);
            var silence = Task.Delay(Silence, time, end.Token);
            while (!end.IsCancellationRequested)
            {
                if (await Task.WhenAny(next, silence) == next)
                {
                    await next;
                    var happened = follower.Current;
                    next = follower.MoveNextAsync().AsTask();
                    await response.WriteAsync($"id: {happened.Number}\nevent: host\ndata: {AdminJson.Of(happened).ToString(Formatting.None)}\n\n", end.Token);
                }
                else
                {
                    await silence;
                    silence = Task.Delay(Silence, time, end.Token);
                    await response.WriteAsync(": the host is there\n\n", end.Token);
                }
            }
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // The one end that it has.
        }
        finally
        {
            // The follower may be let go only when it does nothing.
            await end.CancelAsync();
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await follower.DisposeAsync();
        }
    }
}
