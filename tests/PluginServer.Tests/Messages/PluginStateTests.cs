using System.Diagnostics;
using System.Globalization;
using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Messages;

/// <summary>What a plugin keeps for all its connections outlives its builds, uncopied, and keeps none of them loaded.</summary>
internal sealed class PluginStateTests
{
    [Test]
    public async Task All_builds_share_it_and_none_is_kept_loaded_by_it()
    {
        await using var site = await MessageSite.StartAsync("StoreHandler");
        using var first = await site.ConnectAsync();
        Assert.That(await MessageSite.AskAsync(first, "set name one"), Is.EqualTo("1 stored"));
        Assert.That(await MessageSite.AskAsync(first, "add"), Is.EqualTo("1 1"));
        await site.SwapAsync("2");
        using var second = await site.ConnectAsync();
        Assert.That(await MessageSite.AskAsync(second, "get name"), Is.EqualTo("2 one"));
        Assert.That(await MessageSite.AskAsync(second, "add"), Is.EqualTo("2 2"));
        Assert.That(await MessageSite.AskAsync(second, "set name two"), Is.EqualTo("2 stored"));
        Assert.That(await MessageSite.AskAsync(first, "get name"), Is.EqualTo("1 two"), "both are alive");
        Assert.That(await MessageSite.AskAsync(first, "add"), Is.EqualTo("1 3"));
        first.Dispose();
        await Deadline.UntilAsync(() => site.Server.Server.Generations.Single(generation => generation.Number == 1).State == GenerationState.Unloaded, "the first build is unloaded");
        Assert.That(await MessageSite.AskAsync(second, "add"), Is.EqualTo("2 4"));
    }

    [Test]
    public async Task What_would_keep_a_build_loaded_is_refused()
    {
        await using var site = await MessageSite.StartAsync("StoreHandler");
        using var client = await site.ConnectAsync();
        Assert.That(await MessageSite.AskAsync(client, "own"), Does.StartWith("1 state 'own' cannot be a PluginServer.Fixtures.Messages.StoreHandler+Own: that is not a type that every build of the plugin sees as the same"));
        Assert.That(await MessageSite.AskAsync(client, "comparer"), Does.StartWith("1 state 'comparer' cannot have the comparer PluginServer.Fixtures.Messages.StoreHandler+OwnComparer"));
    }

    [Test]
    public async Task Two_hosts_have_nothing_in_common()
    {
        await using var one = await MessageSite.StartAsync("StoreHandler");
        await using var other = await MessageSite.StartAsync("StoreHandler");
        using var here = await one.ConnectAsync();
        using var there = await other.ConnectAsync();
        Assert.That(await MessageSite.AskAsync(here, "set name one"), Is.EqualTo("1 stored"));
        Assert.That(await MessageSite.AskAsync(there, "get name"), Is.EqualTo("1 none"));
    }

    /// <summary>A million entries of 1 KiB at full size: 1 GiB.</summary>
    [Test]
    [Category("Long")]
    public async Task A_large_one_costs_a_swap_nothing()
    {
        var entries = int.Parse(Environment.GetEnvironmentVariable("PLUGINSERVER_STATE_ENTRIES") ?? "50000", CultureInfo.InvariantCulture);
        await using var site = await MessageSite.StartAsync("StoreHandler");
        using var client = await site.ConnectAsync();
        var empty = await FastestSwapAsync(site, 2);
        Assert.That(await MessageSite.AskAsync(client, string.Create(CultureInfo.InvariantCulture, $"fill {entries} 1024")), Is.EqualTo($"1 {entries}"));
        var before = GC.GetTotalMemory(forceFullCollection: false);
        var full = await FastestSwapAsync(site, 10);
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"a swap took {full.TotalMilliseconds:0} ms with {entries} entries of 1 KiB, {empty.TotalMilliseconds:0} ms with none"));
        using var later = await site.ConnectAsync();
        Assert.That(await MessageSite.AskAsync(later, "size"), Does.EndWith($" {entries}"));
        Assert.That(GC.GetTotalMemory(forceFullCollection: false) - before, Is.LessThan(entries * 512L), "no copy");
        Assert.That(full, Is.LessThan(TimeSpan.FromSeconds(1)), "ten times what it takes alone");
    }

    private static async Task<TimeSpan> FastestSwapAsync(MessageSite site, int build)
    {
        var fastest = TimeSpan.MaxValue;
        for (var swap = 0; swap < 5; swap++)
        {
            var watch = Stopwatch.StartNew();
            await site.SwapAsync(string.Create(CultureInfo.InvariantCulture, $"{build + swap}"));
            fastest = new[] { fastest, watch.Elapsed }.Min();
        }

        return fastest;
    }
}
