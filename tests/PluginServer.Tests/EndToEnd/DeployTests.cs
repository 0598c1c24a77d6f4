using System.Diagnostics;
using System.Globalization;
using Newtonsoft.Json.Linq;
using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Every way in which people deploy, with the real tools, is one swap of one host under load: with file events, and by polling alone.</summary>
/// <remarks>Not beside other tests: a copy that is held up for longer than a change must hold still would rightly count as two, and what it prints are figures.</remarks>
[TestFixture(true)]
[TestFixture(false)]
[NonParallelizable]
[FixtureLifeCycle(LifeCycle.SingleInstance)]
[Category("Long")]
internal sealed class DeployTests(bool events)
{
    // The watcher's two polls and its settle time.
    private static readonly TimeSpan _quiet = TimeSpan.FromSeconds(5);

    // A look at the latest 2 s after the last write, 1 s to hold still, and the swap; a test beside other programs allows ten times that.
    private readonly TimeSpan _longest = TimeSpan.FromSeconds(events ? 30 : 60);
    private readonly Workspace _workspace = new();
    private readonly List<string> _figures = [];
    private HostProcess? _host;
    private Load? _load;
    private int _swaps;
    private int _edits;

    private HostProcess Host => _host!;

    private string Folder => _workspace.PluginFolder("Swap");

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _workspace.With("Swap").Version("0").Configure("""
            [ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" },
              { "name": "edited", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" } ]
            """);
        if (!events && await HostProcess.WhyNotWithoutEventsAsync() is { } reason)
        {
            Assert.Ignore(reason);
        }

        _host = events ? await HostProcess.StartAsync(_workspace) : await HostProcess.StartWithoutEventsAsync(_workspace);
        _load = new Load(_host.EndPoint("test"));
    }

    [OneTimeTearDown]
    public void Remove()
    {
        _load?.Dispose();
        _host?.Dispose();
        _workspace.Dispose();
    }

    [Test]
    [TestCaseSource(typeof(DeployWay), nameof(DeployWay.OfPlugins))]
    public async Task A_plugin_deployed_by(DeployWay way) => await DeployPluginAsync(way);

    /// <summary>10 seconds at full size.</summary>
    [Test]
    [DependsOnTest(nameof(A_plugin_deployed_by), AllowFailure = true)]
    public async Task A_plugin_copied_slowly()
    {
        var seconds = int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_SLOW_COPY_SECONDS"), out var size) ? size : 3;
        var store = Path.Combine(_workspace.Root, "state", "plugins", "Swap");
        var builds = Directory.GetDirectories(store);

        // The pauses of a bad line, each shorter than a copy may hold still.
        var way = new DeployWay($"copy of {seconds} s", $$"""
            size=$(($(stat -c %s "$NEW/Swap.dll") / {{seconds * 5 / 2}} + 1)); : > "$OLD/Swap.dll"
            for piece in $(seq 0 {{seconds * 5 / 2}}); do dd if="$NEW/Swap.dll" bs=$size skip=$piece count=1 status=none >> "$OLD/Swap.dll"; sleep 0.4; done
            cp -r "$NEW/." "$OLD/"
            """,
            Prepare: """mkdir "$OLD.plain"; cp -rL "$OLD"/* "$OLD.plain/"; rm -r "$OLD"; mv "$OLD.plain" "$OLD" """);
        await DeployPluginAsync(way, () => Assert.That(Directory.GetDirectories(store).Except(builds), Is.Empty, "nothing was copied, let alone tried, before the folder held still"));
    }

    [Test]
    [DependsOnTest(nameof(A_plugin_copied_slowly), AllowFailure = true)]
    [TestCaseSource(typeof(DeployWay), nameof(DeployWay.OfConfig))]
    public async Task The_configuration_saved_by(DeployWay way)
    {
        var dashed = (await File.ReadAllTextAsync(_workspace.ConfigFile)).Contains("DashHandler", StringComparison.Ordinal);
        var (from, to, expected) = dashed ? ("DashHandler", "VersionHandler", " x") : ("VersionHandler", "DashHandler", "-x");
        var variables = new Dictionary<string, string> { ["FILE"] = _workspace.ConfigFile, ["FROM"] = from, ["TO"] = to };
        await DeployAsync(way, variables, async () => await AnswerAsync() == _load!.Latest + expected);
        _edits++;
    }

    /// <summary>What is inherent: that nothing more happens shows only after a while, so once, for all ways together.</summary>
    [Test]
    [DependsOnTest(nameof(The_configuration_saved_by), AllowFailure = true)]
    public async Task And_not_one_swap_more()
    {
        var since = Stopwatch.GetTimestamp();
        await Deadline.UntilAsync(
            async () =>
            {
                var status = await Host.StatusAsync();
                Assert.That(((int)status["revision"]!, Generation(status)), Is.EqualTo((1 + _swaps + _edits, 1 + _swaps)), Host.Output);
                return Stopwatch.GetElapsedTime(since) > _quiet;
            },
            "two polls and a settle time");
        var log = Host.Output.Split('\n');
        Assert.That(log.Count(line => line.Contains(" loaded as generation ", StringComparison.Ordinal)), Is.EqualTo(1 + _swaps), "each build was loaded once, and nothing else was");
        Assert.That(Rejected(), Is.Zero, Host.Output);
        Assert.That(log.Count(line => line.Contains("No file events", StringComparison.Ordinal)), Is.EqualTo(events ? 0 : 1));
        var living = (await Host.StatusAsync())["plugins"]![0]!["generations"]!.Single(generation => (int)generation["number"]! == 1);
        Assert.That((int)living["connections"]!, Is.EqualTo(64), "who is inside keeps the version that accepted it");
        _load!.Finish();
        Assert.That(_load.All.Select(connection => connection.Version).Distinct().Count(), Is.EqualTo(1 + _swaps));
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{_swaps} swaps and {_edits} edits under {_load.PerSecond:0} connections a second; from the tool's end to the first answer of the new:"));
        _figures.ForEach(TestContext.Out.WriteLine);
    }

    /// <param name="way">How.</param>
    /// <param name="atEnd">What holds in the moment in which the tool has ended.</param>
    private async Task DeployPluginAsync(DeployWay way, Action? atEnd = null)
    {
        // Each build differs from every other in the DLL, in the text that it answers with, and in a file that no other has.
        var number = _swaps + 1;
        var build = Path.Combine(_workspace.Root, "builds", $"{number}");
        await ShellAsync($"""mkdir -p builds; cp -r "$FIXTURE" "$NEW"; printf {number} > "$NEW/version.txt"; : > "$NEW/only-{number}.txt"; head -c {number * 100} /dev/zero >> "$NEW/Swap.dll" """, new() { ["FIXTURE"] = Repository.Fixture("Swap"), ["NEW"] = build });
        var variables = new Dictionary<string, string>
        {
            ["NEW"] = build,
            ["OLD"] = Folder,
            ["NUMBER"] = $"{number}",
            ["SOURCES"] = Path.Combine(Repository.Root, "tests", "fixtures", "Swap"),
            ["CONTRACT"] = Path.Combine(AppContext.BaseDirectory, "PluginServer.Abstractions.dll"),
        };
        await DeployAsync(way, variables, () => Task.FromResult(_load!.Latest == $"{number}"), atEnd);
        _swaps++;
        var active = (await Host.StatusAsync())["plugins"]![0]!["generations"]!.Single(generation => (string?)generation["state"] == "active");
        Assert.That((string?)active["sha256"], Is.EqualTo(PluginStore.Hash(Folder)), "all of the build serves, not a part of it");
    }

    private async Task DeployAsync(DeployWay way, Dictionary<string, string> variables, Func<Task<bool>> serves, Action? atEnd = null)
    {
        if (await RunAsync($"for tool in {way.Needs}; do command -v $tool; done", variables) is not (0, _))
        {
            Assert.Ignore($"needs {way.Needs}; .ci/run installs what is missing");
        }

        if (way.Prepare != "")
        {
            await ShellAsync(way.Prepare, variables);
            var outcome = await Host.CallAsync(HttpMethod.Post, "/api/reload");
            Assert.That(outcome["changes"]?.Count(), Is.Null.Or.Zero, $"another shape of the same is no change: {outcome}");
        }

        var (before, rejected) = (await Host.StatusAsync(), Rejected());
        await ShellAsync(way.Script, variables);
        var started = Stopwatch.GetTimestamp();
        atEnd?.Invoke();
        await Deadline.UntilAsync(async () => await serves() || _load!.Failures.Count > 0, $"served after {way.Name}\n{Host.Output}");
        var took = Stopwatch.GetElapsedTime(started);
        _figures.Add(string.Create(CultureInfo.InvariantCulture, $"{took.TotalSeconds,6:0.00} s  {way.Name}"));
        TestContext.Out.WriteLine(_figures[^1]);
        Assert.That(took, Is.LessThan(_longest));
        Assert.That(_load!.Failures, Is.Empty);
        Assert.That((int)(await Host.StatusAsync())["revision"]!, Is.EqualTo((int)before["revision"]! + 1), Host.Output);
        Assert.That(Rejected(), Is.EqualTo(rejected), Host.Output);
    }

    private async Task<string> AnswerAsync()
    {
        using var client = await Host.ConnectAsync("edited");
        await client.SendAsync("x\n");
        return await client.ReadLineAsync();
    }

    private int Rejected() => Host.Output.Split('\n').Count(line => line.Contains("Rejected", StringComparison.Ordinal));

    private static int Generation(JObject status) => (int)status["endpoints"]![0]!["generation"]!;

    private async Task ShellAsync(string script, Dictionary<string, string> variables)
    {
        var (exitCode, output) = await RunAsync(script, variables);
        Assert.That(exitCode, Is.Zero, $"{script}\n{output}");
    }

    private async Task<(int ExitCode, string Output)> RunAsync(string script, Dictionary<string, string> variables)
    {
        var start = new ProcessStartInfo("sh", ["-ec", $"exec 2>&1; {script}"]) { WorkingDirectory = _workspace.Root, RedirectStandardOutput = true };
        foreach (var (name, value) in variables)
        {
            start.Environment[name] = value;
        }

        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        using var deadline = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync(deadline.Token);
        await process.WaitForExitAsync(deadline.Token);
        return (process.ExitCode, output);
    }
}
