using System.Globalization;
using System.Text.RegularExpressions;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>What a plugin lets escape outside of its handlers, in a real host: contained, counted, logged; and what no host survives.</summary>
internal sealed partial class StrayFaultTests
{
    private readonly Workspace _workspace = new();

    [TearDown]
    public void Clean() => _workspace.Dispose();

    [TestCase("async void", "thrown in async void")]
    [TestCase("thread", "thrown on a thread")]
    [TestCase("pool", "thrown on the pool")]
    [TestCase("timer", "thrown in a timer")]
    [TestCase("token", "thrown in a callback of a token")]
    [TestCase("continuation", "thrown in a continuation")]
    [TestCase("finalizer", "thrown in a finalizer")]
    [TestCase("task", "thrown in a task that nobody awaits")]
    [TestCase("unspeakable", "UnspeakableException, whose text cannot be had")]
    public async Task An_exception_outside_of_handlers_is_logged_and_counted_and_the_host_goes_on(string order, string expected)
    {
        using var host = await StartAsync();
        using var beside = await host.ConnectAsync("beside");
        for (var round = 1; round <= 3; round++)
        {
            using (var client = await OrderAsync(host, order))
            {
                Assert.That(await client.ReadLineAsync(), Is.EqualTo("done"));
                client.SendFin();
                Assert.That(await client.ReadTextToEndAsync(), Is.Empty);
            }

            var told = round;
            await Deadline.UntilAsync(() => CountAsync(host).GetAwaiter().GetResult() == told && Logged(host, expected) > 0, $"{told} of them: {host.Output}");
            await AssertEchoesAsync(beside);
        }

        // Of what comes at once, the first is told of, and once a second how many more there were.
        await Deadline.UntilAsync(() => Told(host, expected) == 3, $"all are told of: {host.Output}");
        var (_, status, _) = await HostProcess.RunAsync(_workspace.Root, "status", "--config", _workspace.ConfigFile);
        Assert.That(status, Does.Contain("plugin Misbehaving: generation 1: 3 exceptions outside of its handlers"));

        // Nothing of an exception keeps the plugin loaded.
        await File.WriteAllTextAsync(Path.Combine(_workspace.PluginFolder("Misbehaving"), "changed.txt"), "another build");
        var (reloaded, _, error) = await HostProcess.RunAsync(_workspace.Root, "reload", "--config", _workspace.ConfigFile);
        Assert.That(reloaded, Is.Zero, error);
        await Deadline.UntilAsync(() => host.Output.Contains("Plugin Misbehaving generation 1 unloaded", StringComparison.Ordinal), "unloaded");

        beside.SendFin();
        host.Signal("TERM");
        Assert.That(await host.ExitAsync(), Is.Zero, host.Output);
        Assert.That(host.Output, Does.Not.Contain("Unhandled exception"));
    }

    [Test]
    public async Task A_thread_that_a_plugin_leaves_behind_does_not_keep_the_process_alive()
    {
        using var host = await StartAsync();
        using (var client = await OrderAsync(host, "thread that stays"))
        {
            Assert.That(await client.ReadLineAsync(), Is.EqualTo("done"));
        }

        host.Signal("TERM");
        Assert.That(await host.ExitAsync(), Is.Zero, host.Output);
    }

    /// <summary>What docs/isolation.md says of these is true.</summary>
    [TestCase("stack overflow", 134, "Stack overflow.")]
    [TestCase("fail fast", 134, "the plugin has had enough")]
    [TestCase("native crash", 134, "System.AccessViolationException")]
    [TestCase("exit", 42, "")]
    [TestCase("kill", 137, "")]
    public async Task What_no_host_survives_ends_the_process_as_documented(string order, int exitCode, string message)
    {
        using var host = await StartAsync();
        using var client = await OrderAsync(host, order);
        Assert.That(await host.ExitAsync(), Is.EqualTo(exitCode), host.Output);
        Assert.That(host.Output, Does.Contain(message));
    }

    private Task<HostProcess> StartAsync() => HostProcess.StartAsync(_workspace.With("Misbehaving", "Echo").Configure(
        """
        [ { "name": "beside", "address": "127.0.0.1", "port": 0, "plugin": "Echo" },
          { "name": "stray", "address": "127.0.0.1", "port": 0, "plugin": "Misbehaving", "handler": "StrayHandler" } ]
        """));

    private static async Task<Client> OrderAsync(HostProcess host, string order)
    {
        var client = await host.ConnectAsync("stray");
        await client.SendAsync($"{order}\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("as you like"));
        return client;
    }

    private static async Task AssertEchoesAsync(Client client)
    {
        await client.SendAsync("are you there?\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("are you there?"));
    }

    private static int Logged(HostProcess host, string expected) =>
        host.Output.Split('\n').Count(line => line.Contains("Plugin Misbehaving generation 1: an exception outside of its handlers", StringComparison.Ordinal) && line.Contains(expected, StringComparison.Ordinal));

    /// <summary>Lines of their own, and those that are counted together.</summary>
    private static int Told(HostProcess host, string expected) => Logged(host, expected)
        + MoreOf().Matches(host.Output).Sum(line => int.Parse(line.Groups[1].Value, CultureInfo.InvariantCulture));

    private static async Task<int> CountAsync(HostProcess host) =>
        (int?)(await host.StatusAsync())["plugins"]!.Single(plugin => (string?)plugin["name"] == "Misbehaving")["generations"]![0]!["strayFaults"] ?? 0;

    [GeneratedRegex("Plugin Misbehaving generation 1: ([0-9]+) times more: exception outside of handlers")]
    private static partial Regex MoreOf();
}
