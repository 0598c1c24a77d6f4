using System.Diagnostics;

namespace PluginServer.Testing.Tests;

/// <summary>Swaps, drains, unloading, and the end of a host.</summary>
internal sealed class LifeTests
{
    private readonly Scratch _scratch = new();

    [TearDown]
    public void Remove() => _scratch.Dispose();

    [Test]
    public async Task A_swap_brings_a_new_generation_with_statics_of_its_own_and_the_same_state()
    {
        await using var host = await LoadAsync("CountHandler");
        Assert.That((host.Generation, await FirstLineAsync(host)), Is.EqualTo((1, "1 1")));
        await host.SwapToAsync(Other());
        Assert.That((host.Generation, await FirstLineAsync(host)), Is.EqualTo((2, "1 2")));
        Assert.That(host.State.TryGet<int>("count", out var count) ? count : 0, Is.EqualTo(2));
    }

    [Test]
    public async Task A_swap_that_is_refused_leaves_the_old_build_serving()
    {
        await using var host = await LoadAsync("CountHandler");
        await using var inside = await host.ConnectAsync();
        await inside.ReadLineAsync();
        var broken = _scratch.Copy("Kit", "broken", "Kit.dll");
        File.WriteAllText(Path.Combine(broken, "Kit.dll"), "no assembly");
        var error = (await Assert.CatchAsync<PluginHostException>(() => host.SwapToAsync(Path.Combine(broken, "Kit.dll"))))!;
        Assert.That(error.Message, Does.Contain(broken));
        Assert.That((host.Generation, await FirstLineAsync(host)), Is.EqualTo((1, "2 2")));
        await host.SwapToAsync(Other());
        Assert.That((host.Generation, host.Connections), Is.EqualTo((3, 1)), "2 was the one that failed");
    }

    [Test]
    public async Task A_swap_to_the_same_build_or_to_another_plugin_is_a_mistake_of_the_test()
    {
        await using var host = await LoadAsync("CountHandler");
        Assert.That(async () => await host.SwapToAsync(Scratch.Fixture("Kit")), Throws.InstanceOf<PluginHostException>().With.Message.Contains("is the one that serves as generation 1"));
        Assert.That(async () => await host.SwapToAsync(Scratch.Fixture("Settings")), Throws.InstanceOf<PluginHostException>().With.Message.Contains("holds plugin Settings; a swap of Kit needs a build of Kit"));
        Assert.That(async () => await host.SwapToAsync("no/such/build"), Throws.InstanceOf<PluginHostException>());
    }

    [Test]
    public async Task A_plugin_that_leaks_fails_with_the_cause_and_in_seconds()
    {
        await using var host = await PluginHost.LoadAsync(Scratch.Fixture("LeakTimer"));
        await using var client = await host.ConnectAsync();
        await client.ReadToEndAsync();
        var watch = Stopwatch.StartNew();
        Assert.That(
            async () => await host.AssertUnloadsAsync(),
            Throws.InstanceOf<AssertionException>().With.Message.EqualTo("Generation 1 of plugin LeakTimer stays loaded; suspected: a timer that is not disposed (System.Threading.Timer, static field PluginServer.Fixtures.LeakTimer.TimerHandler._timer)."));
        Assert.That(watch.Elapsed, Is.LessThan(TimeSpan.FromSeconds(25)), "the 30 s of the host are virtual");
    }

    [Test]
    public async Task A_plugin_in_use_is_cut_and_unloads_and_nothing_serves_after_it()
    {
        await using var host = await LoadAsync("CountHandler");
        await using var client = await host.ConnectAsync();
        await client.ReadLineAsync();
        await host.SwapToAsync(Other());
        await using var next = await host.ConnectAsync();
        await next.ReadLineAsync();
        await host.AssertUnloadsAsync();
        Assert.That((await client.EndAsync(), await next.EndAsync()), Is.EqualTo((ClientEnd.Reset, ClientEnd.Reset)));
        Assert.That((host.Generation, host.Connections), Is.EqualTo((0, 0)));
        Assert.That(async () => await host.ConnectAsync(), Throws.InvalidOperationException);
        await host.AssertUnloadsAsync();
        await host.DrainAsync();
    }

    [Test]
    public async Task A_plugin_that_is_unloaded_real_time_or_not_is_gone()
    {
        await using var host = await PluginHost.LoadAsync("artifacts/plugins/Echo", new PluginHostOptions { RealTime = true });
        await using var client = await host.ConnectAsync();
        await client.SendAsync("a\n");
        await client.ReadLineAsync();
        await host.AssertUnloadsAsync();
    }

    [Test]
    public async Task A_handler_that_never_returns_does_not_keep_the_host_from_ending()
    {
        var host = await LoadAsync("EndHandler");
        await using var client = await host.ConnectAsync();
        await client.SendAsync("stay");
        Assert.That((await client.ReadLineAsync(), await client.ReadLineAsync()), Is.EqualTo(("hello", "staying")));
        await host.DisposeAsync();
        Assert.That(await client.EndAsync(), Is.EqualTo(ClientEnd.Reset));
    }

    [Test]
    public async Task A_handler_that_never_returns_keeps_its_generation_loaded_and_fails_a_drain()
    {
        await using var host = await LoadAsync("EndHandler");
        await using var client = await host.ConnectAsync();
        await client.SendAsync("stay");
        Assert.That((await client.ReadLineAsync(), await client.ReadLineAsync()), Is.EqualTo(("hello", "staying")));
        Patience.Shorten(TimeSpan.FromSeconds(2));
        Assert.That(async () => await host.DrainAsync(), Throws.InstanceOf<AssertionException>().With.Message.EqualTo($"After 2 s: 1 connections are still inside: {client.LocalEndPoint}."));
        Assert.That(async () => await host.AssertUnloadsAsync(), Throws.InstanceOf<AssertionException>().With.Message.EqualTo("Generation 1 of plugin Kit cannot be unloaded: 1 of its handlers have not returned, 2 s after their connections were cut."));
    }

    [Test]
    public async Task The_end_takes_folders_and_clients_with_it_and_comes_once()
    {
        var host = await LoadAsync("CountHandler");
        await using var client = await host.ConnectAsync();
        await client.ReadLineAsync();
        await host.DisposeAsync();
        await host.DisposeAsync();
        await client.EndAsync();
        Assert.That(async () => await host.ConnectAsync(), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(async () => await host.SwapToAsync("anything"), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(async () => await host.DrainAsync(), Throws.InstanceOf<ObjectDisposedException>());
        Assert.That(async () => await host.AssertUnloadsAsync(), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public async Task Two_hosts_at_once_share_neither_statics_nor_state_nor_time()
    {
        await using var one = await LoadAsync("CountHandler");
        await using var other = await LoadAsync("CountHandler");
        Assert.That((await FirstLineAsync(one), await FirstLineAsync(one), await FirstLineAsync(other)), Is.EqualTo(("1 1", "2 2", "1 1")));
        one.State.Set("note", "mine");
        Assert.That(other.State.TryGet<string>("note", out _), Is.False);
        var before = other.Time.GetUtcNow();
        one.Time.Advance(TimeSpan.FromDays(1));
        Assert.That(other.Time.GetUtcNow(), Is.EqualTo(before));
        await one.DisposeAsync();
        Assert.That(await FirstLineAsync(other), Is.EqualTo("2 2"));
    }

    private static Task<PluginHost> LoadAsync(string handler) => PluginHost.LoadAsync(Scratch.Fixture("Kit"), new PluginHostOptions { Handler = handler });

    private static async Task<string> FirstLineAsync(PluginHost host)
    {
        await using var client = await host.ConnectAsync();
        var line = await client.ReadLineAsync();
        await client.SendFinAsync();
        await client.EndAsync();
        return line[..line.LastIndexOf(' ')];
    }

    private string Other()
    {
        var folder = _scratch.Copy("Kit", "other/Kit");
        File.WriteAllText(Path.Combine(folder, "build.txt"), "other");
        return folder;
    }
}
