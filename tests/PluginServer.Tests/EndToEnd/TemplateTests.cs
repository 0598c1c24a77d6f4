using System.Diagnostics;
using System.Net;
using Newtonsoft.Json.Linq;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>From nothing to a new plugin that serves, as a user who has the packages does it.</summary>
[Category("Long")]
internal sealed class TemplateTests
{
    private const string Version = "1.0.0-template";
    private readonly Workspace _workspace = new();
    private readonly Stopwatch _watch = new();

    private string Packages => Path.Combine(_workspace.Root, "packages");

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [Test]
    public async Task A_new_plugin_is_made_tested_published_and_served()
    {
        // Before the clock runs: what a registry would have.
        await PackAsync("plugin-abstractions", "plugin-testing", "templates");
        var dotnet = Dotnet.At(Path.Combine(_workspace.Root, "home"));
        _workspace.With("Echo").Configure(Echo);
        using var host = await HostProcess.StartAsync(_workspace);

        // As above a plugin that is made in a clone of PluginServer, whose rules are not for it.
        foreach (var file in new[] { "Directory.Build.props", "Directory.Packages.props" })
        {
            File.Copy(Path.Combine(Repository.Root, file), Path.Combine(_workspace.Root, file));
        }

        _watch.Start();
        var total = Stopwatch.StartNew();
        await dotnet.RunAsync(_workspace.Root, "new", "install", Path.Combine(Packages, $"PluginServer.Templates.{Version}.nupkg"));
        Lap("dotnet new install");
        await dotnet.RunAsync(_workspace.Root, "new", "plugin-server-plugin", "--name", "Acme.Shout", "--packages", Packages);
        Lap("dotnet new");
        var folder = Path.Combine(_workspace.Root, "Acme.Shout");
        var tests = await dotnet.RunAsync(folder, "test", "Acme.Shout.Tests");
        Lap("dotnet test");
        await dotnet.RunAsync(folder, "publish", "Acme.Shout", "--output", _workspace.PluginFolder("Acme.Shout"));
        Lap("dotnet publish into the plugin directory");
        _workspace.Configure(Echo.Replace(" ]", """, { "name": "shout", "address": "127.0.0.1", "port": 0, "plugin": "Acme.Shout" } ]""", StringComparison.Ordinal));
        JToken? shout = null;
        await Deadline.UntilAsync(async () => (shout = (await host.StatusAsync())["endpoints"]!.SingleOrDefault(static endpoint => (string?)endpoint["name"] == "shout")) is not null, () => host.Output);
        using var client = await Client.ConnectAsync(new IPEndPoint(IPAddress.Loopback, (int)shout!["port"]!));
        await client.SendAsync("hello\nbye\n");
        Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("welcome to Acme.Shout\n1: hello\nbye\n"));
        Lap("one line in plugins.json, until it has answered");
        TestContext.Out.WriteLine($"{total.Elapsed.TotalSeconds:F1} s together");

        Assert.That(tests, Does.Match(@"Passed! .* Failed: +0, Passed: +7, Skipped: +0"));
        Assert.That(tests, Does.Not.Contain("warning"));
        Assert.That(Directory.GetFiles(_workspace.PluginFolder("Acme.Shout")).Select(Path.GetFileName), Has.None.StartsWith("PluginServer.").And.None.StartsWith("Microsoft."), "what the host has is not published");
        var check = await Cli.RunAsync("check", "--config", _workspace.ConfigFile);
        Assert.That((check.ExitCode, check.Error), Is.EqualTo((0, "")));
        Assert.That(check.Output, Does.Match("(?m)^shout .* ShoutHandler$"));
    }

    private const string Echo = """[ { "name": "echo", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]""";

    private void Lap(string step)
    {
        TestContext.Out.WriteLine($"{_watch.Elapsed.TotalSeconds:F1} s {step}");
        _watch.Restart();
    }

    /// <summary>What is built already is only put into packages, under a version that no cache of this machine can hold.</summary>
    private async Task PackAsync(params string[] projects)
    {
        foreach (var project in projects)
        {
            await new Dotnet().RunAsync(Repository.Root, "pack", project, "--no-build", "--configuration", Repository.Configuration, "--output", Packages, $"-p:PackageVersion={Version}", "-p:BuildProjectReferences=false");
        }
    }
}
