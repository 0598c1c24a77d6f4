using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Who swaps, rolls back and edits, at random; says what serves.</summary>
internal sealed class ChaosOperator(ChaosSite site, HonestClients visitor, Random random, ChaosTally tally)
{
    private static readonly string[] Plugins = ["Swap", "Swap", "Misbehaving", "Echo"];
    private readonly Dictionary<string, string> _versions = [];
    private int _builds = 1;

    public async Task ActAsync(CancellationToken stop)
    {
        Remember("1");
        while (!stop.IsCancellationRequested)
        {
            switch (random.Next(8))
            {
                case 0 or 1:
                    await SwapAsync(random.Pick(Plugins));
                    break;
                case 2:
                    await TryBadBuildAsync(random.Pick(Plugins));
                    break;
                case 3:
                    await RollBackAsync(random.Pick(Plugins));
                    break;
                case 4:
                    await SqueezeAsync();
                    break;
                default:
                    await EditAsync();
                    break;
            }

            await random.PauseAsync(150, stop);
        }
    }

    /// <summary>Whoever comes now is served by the build that was swapped in last, or gone back to.</summary>
    public async Task AssertServesAsync()
    {
        var version = await visitor.VisitAsync(random.Pick(["lines", "dashes"]));
        Assert.That(version, Is.EqualTo(_versions[Sha256("Swap")]), "the version after a change");
    }

    private async Task SwapAsync(string plugin)
    {
        var before = Sha256(plugin);
        var version = $"{++_builds}";
        await File.WriteAllTextAsync(Path.Combine(site.Workspace.PluginFolder(plugin), "version.txt"), version);
        var outcome = await site.ApplyAsync();
        Assert.That(outcome.Errors, Is.Empty, $"swap of {plugin}");
        Assert.That(Sha256(plugin), Is.Not.EqualTo(before), $"another build of {plugin} serves");
        Remember(version);
        tally.Count($"swaps of {plugin}");
        await AssertServesAsync();
    }

    /// <summary>Costs nothing, and is forgotten once the folder is in order again.</summary>
    private async Task TryBadBuildAsync(string plugin)
    {
        var before = Sha256(plugin);
        var folder = site.Workspace.PluginFolder(plugin);
        var main = Path.Combine(folder, $"{plugin}.dll");
        var trouble = Path.Combine(folder, "trouble.txt");
        var good = await File.ReadAllBytesAsync(main);
        switch (random.Next(plugin == "Swap" ? 4 : 2))
        {
            case 0:
                await File.WriteAllBytesAsync(main, good[..random.Next(good.Length / 2)]);
                break;
            case 1:
                File.Delete(main);
                break;
            case 2:
                await File.WriteAllTextAsync(trouble, "throws");
                break;
            default:
                await File.WriteAllTextAsync(trouble, "static");
                break;
        }

        var outcome = await site.ApplyAsync();
        Assert.That(outcome.Accepted, Is.False, $"a bad build of {plugin} is rejected");
        Assert.That(Sha256(plugin), Is.EqualTo(before), $"the build of {plugin} before serves");
        tally.Count($"bad builds of {plugin}");
        File.Delete(trouble);
        await File.WriteAllBytesAsync(main, good);
        Assert.That((await site.ApplyAsync()).Errors, Is.Empty, $"{plugin} as it was");
        Assert.That(Sha256(plugin), Is.EqualTo(before), $"the build of {plugin} before serves");
        await AssertServesAsync();
    }

    private async Task RollBackAsync(string plugin)
    {
        var before = Sha256(plugin);
        var outcome = await site.Host.Reloader.RollbackAsync(plugin).Within();
        tally.Count(outcome.Accepted ? $"rollbacks of {plugin}" : "rollbacks with nothing to go back to");
        Assert.That(Sha256(plugin), outcome.Accepted ? Is.Not.EqualTo(before) : Is.EqualTo(before), $"rollback of {plugin}: {string.Join("; ", outcome.Errors)}");
        await AssertServesAsync();
    }

    /// <summary>A crowd always has room in the backlog: Linux leaves a client whose last handshake packet found none believing that it is
    /// connected, and one that waits for the host to speak first would never learn that the listening socket was opened anew.</summary>
    private async Task EditAsync()
    {
        var endpoint = random.Pick(ChaosSite.Exposed);
        site.Limits[endpoint] = new ChaosLimits(
            random.Next(1, ChaosSite.CrowdLimit + 1),
            random.Pick(["queue", "refuse"]),
            random.Next(1, 5),
            endpoint == "crowd" ? 4096 : random.Pick([1, 100, 4096]),
            random.OneIn(2) ? null : TimeSpan.FromMilliseconds(random.Next(100, 3000)),
            random.OneIn(2) ? null : TimeSpan.FromMilliseconds(random.Next(100, 3000)));
        Assert.That((await site.ApplyAsync()).Errors, Is.Empty, "an edit");
        tally.Count("edits");
    }

    /// <summary>Honest endpoints, or all of them, with room for hardly anyone, for a while: those inside stay, the others come in afterwards.</summary>
    private async Task SqueezeAsync()
    {
        var endpoint = random.Pick(ChaosSite.Honest);
        site.Limits[endpoint] = site.Limits[endpoint] with { MaxConnections = random.Next(1, 8), Overflow = random.Pick(["queue", "refuse"]), Acceptors = random.Next(1, 4) };
        site.HostLimit = random.OneIn(2) ? null : random.Next(1, 60);
        Assert.That((await site.ApplyAsync()).Errors, Is.Empty, "limits lowered");
        await random.PauseAsync(100, CancellationToken.None);
        site.Limits[endpoint] = ChaosLimits.Calm(endpoint) with { Acceptors = random.Next(1, 4), Idle = TimeSpan.FromMinutes(5), Lifetime = random.OneIn(2) ? null : TimeSpan.FromHours(5) };
        site.HostLimit = null;
        Assert.That((await site.ApplyAsync()).Errors, Is.Empty, "limits raised");
        tally.Count("squeezes");
    }

    private string Sha256(string plugin) => site.Host.Server.Plugin(plugin)!.Active!.Build.Sha256;

    private void Remember(string version) => _versions.TryAdd(Sha256("Swap"), version);
}
