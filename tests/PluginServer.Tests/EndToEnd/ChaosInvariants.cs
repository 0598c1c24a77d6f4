using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Plugins;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>What must hold when a chaos run is over, exactly.</summary>
internal static class ChaosInvariants
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(1);

    /// <summary>Every endpoint serves, as soon as nothing is in its way.</summary>
    public static async Task AssertServeAsync(ChaosSite site)
    {
        foreach (var endpoint in ChaosSite.Exposed)
        {
            var before = site.Endpoint(endpoint).Counters.Accepted;
            await Deadline.UntilAsync(
                async () =>
                {
                    await KnockAsync(site, endpoint);
                    return site.Endpoint(endpoint).Counters.Accepted > before;
                },
                $"{endpoint} serves");
        }
    }

    /// <summary>Empties all endpoints, and finds nothing missing and nothing left.</summary>
    public static async Task AssertAsync(ChaosSite site, ChaosTally tally, int timers, string failure)
    {
        foreach (var running in site.Host.Server.Running)
        {
            await EmptyAsync(running, failure);
        }

        await site.Host.AssertNothingLeftAsync();
        foreach (var endpoint in site.Host.Server.Endpoints)
        {
            var counters = endpoint.Counters;
            Assert.That((endpoint.Connections.Count, endpoint.Places.Taken), Is.EqualTo((0, 0)), $"{failure}: inside, places of {endpoint.Name}");
            Assert.That(counters.Accepted, Is.EqualTo(counters.Ended), $"{failure}: accepted = ended, {Describe(endpoint)}");
        }

        foreach (var endpoint in ChaosSite.Honest.Select(site.Endpoint))
        {
            Assert.That(
                (endpoint.Counters.Accepted, endpoint.Counters.EndedByCause[(int)CloseCause.None], endpoint.Counters.HandlerFaults),
                Is.EqualTo((tally[HonestClients.LetIn(endpoint.Name)], endpoint.Counters.Accepted, 0)),
                $"{failure}: each client that was let in was answered and left in order, {Describe(endpoint)}");
        }

        await AssertUnloadedAsync(site, failure);
        await Deadline.UntilAsync(() => (site.RentedBlocks, site.Transport.Accepting, site.Time.Timers) == (0, 0, timers), () => $"{failure}: blocks, accepts and timers: {(site.RentedBlocks, site.Transport.Accepting, site.Time.Timers)}, and {timers} timers at the start");
    }

    public static string Describe(Endpoint endpoint) =>
        $"{endpoint.Name}: accepted {endpoint.Counters.Accepted} = active {endpoint.Connections.Count} + {string.Join(" + ", endpoint.Counters.EndedByCause.Select((count, cause) => $"{((CloseCause)cause == CloseCause.None ? "closed" : (CloseCause)cause)} {count}"))}; rejected {endpoint.Counters.Rejected}, faults {endpoint.Counters.HandlerFaults}, accept errors {endpoint.Counters.AcceptErrors}, acceptor restarts {endpoint.Counters.AcceptorRestarts}";

    /// <summary>Until nobody waits in the backlog either; each time it ends paused.</summary>
    private static async Task EmptyAsync(RunningEndpoint running, string failure)
    {
        var endpoint = running.Endpoint;
        await Deadline.UntilAsync(
            async () =>
            {
                running.Resume();
                var outcome = await running.DrainAsync(Timeout, CancellationToken.None).Within();
                return outcome.IsComplete && endpoint.Connections.Count == 0 && Ports.Open(endpoint.Port) == 0;
            },
            () => $"{failure}: {endpoint.Name} is empty: {endpoint.Connections.Count} inside, {Ports.Open(endpoint.Port)} sockets");
    }

    private static async Task KnockAsync(ChaosSite site, string endpoint)
    {
        try
        {
            using var client = await site.Host.ConnectAsync(endpoint);
        }
        catch (SocketException)
        {
            // Where handlers fail at once the reset may come before the connect has returned.
        }
    }

    private static async Task AssertUnloadedAsync(ChaosSite site, string failure)
    {
        var plugins = site.Host.Server.Plugins.ToList();
        var replaced = plugins.SelectMany(plugin => plugin.Generations.Where(generation => generation != plugin.Active)).ToList();
        await Deadline.UntilAsync(() => replaced.All(generation => generation.State is GenerationState.Unloaded or GenerationState.Leaked), () => $"{failure}: {string.Join(", ", replaced.Select(generation => $"{generation.Build.Name} {generation.Number} {generation.State}"))}");
        Assert.That(replaced.Where(generation => generation.State == GenerationState.Leaked).Select(generation => $"{generation.Build.Name} {generation.Number}: {generation.Leak}"), Is.Empty, failure);
    }
}
