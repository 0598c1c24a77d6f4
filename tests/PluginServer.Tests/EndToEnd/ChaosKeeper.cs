using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Who pauses, resumes and drains endpoints without honest connections, at random and beside whatever else is changed.</summary>
internal sealed class ChaosKeeper(ChaosSite site, Random random, ChaosTally tally)
{
    public async Task ActAsync(CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            var running = site.Running(random.Pick(ChaosSite.Exposed));
            switch (random.Next(3))
            {
                case 0:
                    running.Pause();
                    tally.Count("pauses");
                    break;
                case 1:
                    var outcome = await running.DrainAsync(TimeSpan.FromMilliseconds(random.Next(300)), CancellationToken.None).Within();
                    tally.Count(outcome.Cut > 0 ? "drains with a cut" : "drains");
                    if (!outcome.IsComplete || running.Endpoint.Connections.Count > 0)
                    {
                        tally.Fail($"a drain of {running.Endpoint.Name} ends with {outcome} and {running.Endpoint.Connections.Count} inside");
                    }

                    break;
                default:
                    await DrainInterruptedAsync(running);
                    break;
            }

            await random.PauseAsync(100, stop);
            running.Resume();
        }
    }

    private async Task DrainInterruptedAsync(RunningEndpoint running)
    {
        using var cancel = new CancellationTokenSource(random.Next(100));
        try
        {
            await running.DrainAsync(TimeSpan.FromMinutes(1), cancel.Token).Within();
        }
        catch (OperationCanceledException)
        {
            tally.Count("drains cancelled");
        }
    }
}
