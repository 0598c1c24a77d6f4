using System.Diagnostics;
using System.Globalization;
using System.Runtime.Versioning;
using Newtonsoft.Json.Linq;
using PluginServer.Administration;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary><c>status --watch</c>: the same picture over and over, until somebody has seen enough or nobody answers.</summary>
[Platform(Exclude = "Win")]
[UnsupportedOSPlatform("windows")]
internal sealed class WatchTests
{
    private readonly SharedWriter _output = new();
    private readonly SharedWriter _error = new();

    [Test]
    public async Task It_shows_what_is_now_until_it_is_stopped_which_is_success()
    {
        await using var face = await AdminFace.StartAsync();
        using var enough = new CancellationTokenSource();
        var watch = WatchAsync(face.ConfigFile, json: false, enough.Token);
        await ShownAsync("revision 3");
        face.Status = Sample.Status with { Revision = 4 };
        await ShownAsync("revision 4");
        Assert.That(watch.IsCompleted, Is.False);
        await enough.CancelAsync();
        Assert.That((await watch.Within(), $"{_error}"), Is.EqualTo((0, "")));
        Assert.That($"{_output}", Does.StartWith("WRONG:\n  plugin Echo: generation 3 was not unloaded\nPluginServer 1.0.0").And.Not.Contain("\e"));
        Assert.That($"{_output}", Does.Contain("\n\nWRONG:"), "an empty line between two");
    }

    [Test]
    public async Task On_a_terminal_each_is_drawn_over_the_one_before()
    {
        await using var face = await AdminFace.StartAsync();
        using var enough = new CancellationTokenSource();
        var watch = WatchAsync(face.ConfigFile, json: false, enough.Token, isTerminal: true);
        await ShownAsync("revision 3");
        face.Status = Sample.Status with { Revision = 4, Problems = [] };
        await ShownAsync("revision 4");
        await enough.CancelAsync();
        Assert.That(await watch.Within(), Is.Zero);
        Assert.That($"{_output}", Does.StartWith("\e[HWRONG:\e[K\n").And.Contain("\e[J\e[HNothing is wrong.\e[K\n").And.EndsWith("\e[J"));
    }

    [Test]
    public async Task As_JSON_it_is_one_object_a_line()
    {
        await using var face = await AdminFace.StartAsync();
        using var enough = new CancellationTokenSource();
        var watch = WatchAsync(face.ConfigFile, json: true, enough.Token, isTerminal: true);
        await ShownAsync("\"revision\":3");
        face.Status = Sample.Status with { Revision = 4 };
        await ShownAsync("\"revision\":4");
        await enough.CancelAsync();
        Assert.That((await watch.Within(), $"{_error}"), Is.EqualTo((0, "")));
        var lines = $"{_output}".TrimEnd('\n').Split('\n').Select(JObject.Parse).ToList();
        Assert.That(lines.Select(line => (int)line["revision"]!).Distinct(), Is.EqualTo([3, 4]));
        var answered = JObject.Parse((await face.SendAsync(HttpMethod.Get, "/api/status")).Body);
        Assert.That(JToken.DeepEquals(lines[^1], answered));
    }

    [Test]
    public async Task It_ends_when_the_host_does([Values] bool json)
    {
        await using var face = await AdminFace.StartAsync();
        var watch = Task.Run(() => CommandLine.InvokeAsync(["status", "--watch", .. json ? ["--json"] : Array.Empty<string>(), "--config", face.ConfigFile], new CommandContext(_output, _error, IsTerminal: false)));
        await ShownAsync("1.0.0");
        await face.Endpoint.DisposeAsync();
        Assert.That(await watch.Within(), Is.EqualTo(4));
        Assert.That($"{_error}", Does.Match(@"^(no host answers|the host) at \S+/control\.sock(; is one running with this configuration\?| broke off before it answered; what it was asked for may have happened or not)\n$"));
    }

    [TestCase("INT")]
    [TestCase("TERM")]
    [Platform("Linux")]
    public async Task In_a_process_of_its_own_it_ends_with_0_at(string signal)
    {
        await using var face = await AdminFace.StartAsync();
        // What was started in the background ignores SIGINT, and so does what that starts.
        using var process = Process.Start(new ProcessStartInfo("env", ["--default-signal=INT", "dotnet", Path.Combine(AppContext.BaseDirectory, "plugin-server.dll"), "status", "--watch", "--config", face.ConfigFile]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Assert.That(await process.StandardOutput.ReadLineAsync(Deadline.Token), Is.EqualTo("WRONG:"));
        using (var kill = Process.Start("kill", ["-s", signal, process.Id.ToString(CultureInfo.InvariantCulture)]))
        {
            await kill.WaitForExitAsync(Deadline.Token);
        }

        await process.StandardOutput.ReadToEndAsync(Deadline.Token);
        await process.WaitForExitAsync(Deadline.Token);
        Assert.That((process.ExitCode, await process.StandardError.ReadToEndAsync(Deadline.Token)), Is.EqualTo((0, "")));
    }

    private Task<int> WatchAsync(string file, bool json, CancellationToken enough, bool isTerminal = false) =>
        Task.Run(() => StatusCommand.WatchAsync(new CommandContext(_output, _error, isTerminal), file, json, enough));

    private Task ShownAsync(string text) => Deadline.UntilAsync(() => $"{_output}".Contains(text, StringComparison.Ordinal), () => $"{text} in {_output}");
}
