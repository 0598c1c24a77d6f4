using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>A plugin may play a client before it serves one; that counts nowhere, and its failure refuses the build.</summary>
internal sealed class WarmUpTests
{
    private readonly Workspace _workspace = new();

    [SetUp]
    public void Fill() => _workspace.With("Warm").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Warm" } ]""");

    [Test]
    public async Task The_first_client_is_the_second_for_the_plugin_and_the_first_for_the_host()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        Assert.That(server.Endpoint().Counters.Accepted, Is.Zero);
        Assert.That(server.Server.Generations[0].Leases, Is.Zero);
        Assert.That(await AskAsync(server), Is.EqualTo("1 made, 1 disposed"));

        await File.WriteAllTextAsync(Path.Combine(_workspace.PluginFolder("Warm"), "build.txt"), "2");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        Assert.That(await AskAsync(server), Is.EqualTo("1 made, 1 disposed"));
        await Deadline.UntilAsync(() => server.Server.Generations[1].State == GenerationState.Unloaded, "the warm-up holds nothing");
    }

    [TestCase("throws", "failed: InvalidOperationException: the warm-up throws")]
    [TestCase("handler", "failed: InvalidOperationException: the handler throws")]
    [TestCase("hangs", "did not end within 30 s")]
    public async Task A_warm_up_that_fails_refuses_the_build(string trouble, string expected)
    {
        var time = new ManualTime();
        await using var server = await TestServer.StartAsync(_workspace, time);
        await File.WriteAllTextAsync(Path.Combine(_workspace.PluginFolder("Warm"), "trouble.txt"), trouble);
        var reload = server.Reloader.ReloadAsync();
        if (trouble == "hangs")
        {
            await Deadline.UntilAsync(() => time.Timers >= 2, "the warm-up hangs");
            time.Advance(LoadedPlugin.ServiceTimeout);
        }

        var outcome = await reload.Within();
        Assert.That(outcome.Errors.Single().Message, Is.EqualTo($"plugin Warm: the warm-up of WarmHandler for endpoint test {expected}"));
        Assert.That(await AskAsync(server), Is.EqualTo("1 made, 1 disposed"), "what served before goes on");
    }

    private static async Task<string> AskAsync(TestServer server)
    {
        using var client = await server.ConnectAsync();
        await client.SendAsync("x\n");
        return await client.ReadLineAsync();
    }
}
