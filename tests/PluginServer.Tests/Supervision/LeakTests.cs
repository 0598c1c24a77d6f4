using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>A generation that something holds is reported with what may hold it, and the host goes on.</summary>
internal sealed class LeakTests
{
    [TestCase("LeakTimer", "a timer that is not disposed (System.Threading.Timer, static field PluginServer.Fixtures.LeakTimer.TimerHandler._timer)")]
    [TestCase("LeakThread", "a thread that has not ended (System.Threading.Thread)")]
    [TestCase("LeakEvent", "an AppDomain event that is not unsubscribed (System.AppDomain.add_ProcessExit)")]
    [TestCase("LeakToken", "a token registration that is not disposed (System.Threading.CancellationToken.Register)")]
    [TestCase("LeakHandle", "a GCHandle that is not freed (System.Runtime.InteropServices.GCHandle.Alloc)")]
    [TestCase("LeakListener", "a meter listener that is not disposed (System.Diagnostics.Metrics.MeterListener, static field PluginServer.Fixtures.LeakListener.ListenerHandler._listener)")]
    public async Task A_leaking_plugin_is_reported_as_leaked_with_the_kind(string plugin, string kind)
    {
        var time = new SkippingTime();
        var workspace = new Workspace().With(plugin).Configure($$"""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "{{plugin}}" } ]""");
        await using var server = await TestServer.StartAsync(workspace, time);
        await ServeOneAsync(server);
        await server.AssertNothingLeftAsync();

        File.WriteAllText(Path.Combine(workspace.PluginFolder(plugin), "changed.txt"), "another build");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        var old = server.Server.Generations[1];
        await Deadline.UntilAsync(() => old.State == GenerationState.Unloading, "unloading");
        time.Skip(PluginGeneration.LeakAfter);
        await Deadline.UntilAsync(() => old.State is GenerationState.Leaked or GenerationState.Unloaded, "decided");
        Assert.That(old.State, Is.EqualTo(GenerationState.Leaked));
        Assert.That(old.Leak, Is.EqualTo(kind));
        await Deadline.UntilAsync(() => server.Log.Any(line => line.StartsWith("Warning 303", StringComparison.Ordinal) && line.Contains(kind, StringComparison.Ordinal)), "logged");
        await ServeOneAsync(server);
    }

    private static async Task ServeOneAsync(TestServer server)
    {
        using var client = await server.ConnectAsync();
        Assert.That(await client.ReadTextToEndAsync(), Is.Empty);
    }
}
