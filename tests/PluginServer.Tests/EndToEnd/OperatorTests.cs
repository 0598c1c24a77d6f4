using Newtonsoft.Json.Linq;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>An operator's verbs against a host in a process of its own: a deploy, a bad deploy, a rollback, and a kill -9.</summary>
internal sealed class OperatorTests
{
    private readonly Workspace _workspace = new();

    [SetUp]
    public void Fill() => _workspace.With("Swap").Version("one").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" } ]""");

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [Test]
    public async Task Status_reload_and_rollback_reach_a_running_host()
    {
        using var host = await HostProcess.StartAsync(_workspace);
        Assert.That(await VersionAsync(host), Is.EqualTo("one"));

        _workspace.Version("two");
        var reload = await HostProcess.RunAsync(_workspace.Root, "reload");
        Assert.That(reload.ExitCode, Is.Zero, reload.Error);
        Assert.That(await VersionAsync(host), Is.EqualTo("two"));

        await File.WriteAllTextAsync(Path.Combine(_workspace.PluginFolder("Swap"), "Swap.dll"), "broken");
        var refused = await HostProcess.RunAsync(_workspace.Root, "reload");
        Assert.That(refused.ExitCode, Is.EqualTo(1), refused.Output);
        Assert.That(refused.Error, Does.Contain("Swap.dll is not a .NET assembly, or only half of one"));
        Assert.That(await VersionAsync(host), Is.EqualTo("two"));

        var status = JObject.Parse((await HostProcess.RunAsync(_workspace.Root, "status", "--json")).Output);
        Assert.That((string?)status["config"]!["state"], Is.EqualTo("rejected"));
        Assert.That((int)status["pid"]!, Is.EqualTo(host.Id));
        Assert.That((int)status["endpoints"]![0]!["generation"]!, Is.EqualTo(2));
        Assert.That(status["plugins"]![0]!["generations"]!.Select(generation => (string?)generation["state"]), Has.One.EqualTo("active").And.Some.EqualTo("failed"));

        Directory.Delete(_workspace.PluginFolder("Swap"), recursive: true);
        var rollback = await HostProcess.RunAsync(_workspace.Root, "rollback", "Swap");
        Assert.That(rollback.ExitCode, Is.Zero, rollback.Error);
        Assert.That(await VersionAsync(host), Is.EqualTo("one"));

        host.Signal("TERM");
        Assert.That(await host.ExitAsync(), Is.Zero, host.Output);
        Assert.That((await HostProcess.RunAsync(_workspace.Root, "status")).ExitCode, Is.EqualTo(4), "no host answers");
    }

    [Test]
    public async Task Sighup_reloads()
    {
        using var host = await HostProcess.StartAsync(_workspace);
        _workspace.Version("two");
        host.Signal("HUP");
        await Deadline.UntilAsync(() => host.Output.Contains("Applied revision 2", StringComparison.Ordinal), "applied");
        Assert.That(await VersionAsync(host), Is.EqualTo("two"));
    }

    private static async Task<string> VersionAsync(HostProcess host)
    {
        using var client = await host.ConnectAsync("test");
        await client.SendAsync("x\n");
        return (await client.ReadLineAsync()).Split(' ')[0];
    }
}
