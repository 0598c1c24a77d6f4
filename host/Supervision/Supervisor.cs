using Microsoft.Extensions.Logging;
using PluginServer.Diagnostics;
using PluginServer.Networking;

namespace PluginServer.Supervision;

/// <summary>Replaces an acceptor that dies, so that no error ends the service of a port; the listener and its connections never notice.</summary>
internal sealed class Supervisor(Endpoint endpoint, Func<Acceptor> create, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Healthy = TimeSpan.FromSeconds(10);

    /// <summary>Runs acceptors, one at a time, until <paramref name="stop"/>. Never fails.</summary>
    public async Task KeepAcceptingAsync(CancellationToken stop, CancellationToken cut)
    {
        var delay = FirstDelay;
        while (!stop.IsCancellationRequested)
        {
            var started = time.GetTimestamp();
            var error = "it ended by itself";
            try
            {
                await create().RunAsync(stop, cut);
            }
            catch (Exception fault)
            {
                error = fault.ToString();
            }

            if (stop.IsCancellationRequested)
            {
                return;
            }

            delay = time.GetElapsedTime(started) > Healthy ? FirstDelay : delay;
            endpoint.Counters.CountAcceptorRestart();
            Log.AcceptorReplaced(log, endpoint.Name, delay, error);
            await Task.Delay(delay, time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            delay = delay * 2 > LongestDelay ? LongestDelay : delay * 2;
        }
    }
}
