using System.Globalization;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Everything that may go wrong, at random and at once, while honest clients check every byte; in the end nothing is missing and
/// nothing is left. PLUGINSERVER_CHAOS_SEED makes the choices of an earlier run again.</summary>
/// <remarks>Alone, because descriptors are counted. New sockets are told apart by their inode, so what other tests left to the garbage
/// collector does not matter.</remarks>
[Category("Long")]
[NonParallelizable]
internal sealed class ChaosTests
{
    private const int Living = 8;
    private readonly ChaosTally _tally = new();
    private readonly CancellationTokenSource _storm = new();
    private readonly int _seed = Number("PLUGINSERVER_CHAOS_SEED") ?? Environment.TickCount;
    private int _parts;

    private delegate Task Part(CancellationToken stop);

    private static TimeSpan Length => TimeSpan.FromSeconds(Number("PLUGINSERVER_CHAOS_SECONDS") ?? 8);

    [TearDown]
    public void Forget() => _storm.Dispose();

    /// <summary>An hour at full size.</summary>
    [Test]
    [Platform("Linux")]
    public async Task Honest_clients_notice_nothing_of_whatever_happens_and_nothing_is_left_in_the_end()
    {
        TestContext.Out.WriteLine($"PLUGINSERVER_CHAOS_SEED={_seed}");
        await WarmUpAsync();
        var before = new Descriptors();
        var memory = new ChaosMemory();
        string folder;
        List<string> loaded;
        await using (var site = await ChaosSite.StartAsync())
        {
            folder = site.Workspace.Root;
            var timers = site.Time.Timers;
            await RunAsync(site, memory);
            loaded = [.. site.Host.Server.Plugins.Select(plugin => plugin.Active!.Build.Sha256)];
            await ChaosInvariants.AssertAsync(site, _tally, timers, Failure);
            TestContext.Out.WriteLine($"{_tally}");
            foreach (var endpoint in site.Host.Server.Endpoints)
            {
                TestContext.Out.WriteLine(ChaosInvariants.Describe(endpoint));
            }
        }

        await Deadline.UntilAsync(() => !new Descriptors().Since(before, folder, loaded).Any(), () => $"{Failure}: left open: {string.Join(", ", new Descriptors().Since(before, folder, loaded))}");
        TestContext.Out.WriteLine($"nothing is left: {before.Count} descriptors before, {new Descriptors().Count} after; {memory}");
        memory.AssertFlat();
    }

    private string Failure => $"PLUGINSERVER_CHAOS_SEED={_seed}";

    private static int? Number(string variable) => int.TryParse(Environment.GetEnvironmentVariable(variable), CultureInfo.InvariantCulture, out var number) ? number : null;

    /// <summary>Opens what the runtime opens once.</summary>
    private static async Task WarmUpAsync()
    {
        await using var server = await TestServer.StartAsync("Echo");
        using var client = await server.ConnectAsync();
        await client.SendAsync("x");
        client.SendFin();
        Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("x"));
    }

    private async Task RunAsync(ChaosSite site, ChaosMemory memory)
    {
        using var end = new CancellationTokenSource();
        var visitor = Clients(site);
        var living = Start([.. ChaosSite.Honest.SelectMany(endpoint => Enumerable.Range(0, Living).Select(_ => Alive(Clients(site), endpoint)))], end.Token);
        await Deadline.UntilAsync(() => ChaosSite.Honest.Sum(endpoint => _tally[HonestClients.LetIn(endpoint)]) == living.Count, () => $"{Failure}: inside: {string.Join("; ", _tally.Failures)}");
        var driver = new ChaosOperator(site, visitor, NextRandom(), _tally);
        var storm = Start(
            [
                new ChaosNetwork(site, NextRandom(), _tally).RageAsync,
                driver.ActAsync,
                new ChaosKeeper(site, NextRandom(), _tally).ActAsync,
                new RudeClients(site, NextRandom(), _tally).CrowdAsync,
                .. Enumerable.Range(0, 8).Select(_ => (Part)new RudeClients(site, NextRandom(), _tally).ComeAsync),
                .. Enumerable.Range(0, 2).Select(_ => Staying(Clients(site), 1)),
                .. Enumerable.Range(0, 6).Select(_ => Staying(Clients(site), 200)),
            ],
            _storm.Token);
        await memory.WatchAsync(site, Length, _storm.Token);
        await _storm.CancelAsync();
        await Task.WhenAll(storm).WaitAsync(4 * Deadline.Length);
        Assert.That(_tally.Failures, Is.Empty, Failure);
        await site.CalmAsync();
        await driver.AssertServesAsync();
        await ChaosInvariants.AssertServeAsync(site);
        await end.CancelAsync();
        await Task.WhenAll(living).Within();
        Assert.That(_tally.Failures, Is.Empty, Failure);
    }

    private HonestClients Clients(ChaosSite site) => new(site, NextRandom(), _tally);

    /// <summary>Each part chooses for itself, so that the others' pace does not change its choices.</summary>
    private Random NextRandom() => new(unchecked((_seed * 397) + Interlocked.Increment(ref _parts)));

    private static Part Alive(HonestClients client, string endpoint) => stop => client.LiveAsync(endpoint, stop);

    private static Part Staying(HonestClients client, int atMostRounds) => stop => client.StayAsync(atMostRounds, stop);

    /// <summary>Whatever fails ends the storm.</summary>
    private List<Task> Start(List<Part> parts, CancellationToken stop) => parts.ConvertAll(part => Task.Run(
        async () =>
        {
            try
            {
                await part(stop);
            }
            catch (Exception error)
            {
                _tally.Fail(error.ToString());
                await _storm.CancelAsync();
            }
        },
        CancellationToken.None));
}
