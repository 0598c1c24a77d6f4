using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.Versioning;
using System.Text.RegularExpressions;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>The units of deploy/, as systemd itself reads them.</summary>
[Platform("Linux")]
internal sealed class DeployUnitsTests
{
    private const string Tool = "systemd-analyze";
    private const string Installed = "/opt/plugin-server/plugin-server";

    /// <summary>In tenths; deploy/README.md says the figure.</summary>
    private const int Exposure = 17;
    private static readonly string Deploy = Path.Combine(Repository.Root, "deploy");
    private static readonly string[] Units = ["plugin-server.service", "plugin-server.socket"];
    private readonly string _folder = Directory.CreateTempSubdirectory("plugin-server-test-").FullName;

    /// <summary>The units with an executable where ExecStart= has one, in a folder of their own.</summary>
    [SetUp]
    [SupportedOSPlatform("linux")]
    public void Install()
    {
        var program = Path.Combine(_folder, "plugin-server");
        File.WriteAllText(program, "#!/bin/sh\n");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (var unit in Units)
        {
            File.WriteAllText(Path.Combine(_folder, unit), File.ReadAllText(Path.Combine(Deploy, unit)).Replace(Installed, program, StringComparison.Ordinal));
        }
    }

    [TearDown]
    public void Remove() => Directory.Delete(_folder, recursive: true);

    [Test]
    public async Task Systemd_has_nothing_against_them()
    {
        var (exitCode, output) = await AnalyzeAsync(["verify", "--man=no", "--recursive-errors=no", .. Units.Select(unit => Path.Combine(_folder, unit))]);
        Assert.That((exitCode, output), Is.EqualTo((0, "")));
    }

    [Test]
    public async Task Systemd_would_say_so_if_it_had()
    {
        var file = Path.Combine(_folder, Units[0]);
        await File.AppendAllTextAsync(file, "\n[Service]\nType=no-such-type\n");
        var (exitCode, output) = await AnalyzeAsync(["verify", "--man=no", "--recursive-errors=no", file]);
        Assert.That(exitCode, Is.Not.Zero);
        Assert.That(output, Does.Contain("no-such-type"));
    }

    [Test]
    public async Task The_service_is_as_hardened_as_the_page_beside_it_says()
    {
        var (exitCode, output) = await AnalyzeAsync(["security", "--offline=true", "--no-pager", $"--threshold={Exposure}", Path.Combine(_folder, Units[0])]);
        Assert.That(exitCode, Is.Zero, output);
        var figure = Regex.Match(output, @"Overall exposure level for plugin-server\.service: (\d+\.\d)").Groups[1].Value;
        Assert.That(await File.ReadAllTextAsync(Path.Combine(Deploy, "README.md")), Does.Contain($"exposure level of {figure}"));
    }

    /// <summary>systemd-analyze says nothing of it, and without it the runtime does not start.</summary>
    [Test]
    public void The_service_may_compile_while_it_runs() =>
        Assert.That(File.ReadLines(Path.Combine(Deploy, Units[0])), Has.None.StartsWith("MemoryDenyWriteExecute="));

    [Test]
    public void The_socket_is_one_of_the_service()
    {
        Assert.That(File.ReadLines(Path.Combine(Deploy, Units[0])), Has.One.EqualTo($"Sockets={Units[1]}"));
        Assert.That(File.ReadLines(Path.Combine(Deploy, Units[1])), Has.One.EqualTo($"Service={Units[0]}"));
    }

    private static async Task<(int ExitCode, string Output)> AnalyzeAsync(string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(Tool, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var error = process.StandardError.ReadToEndAsync(Deadline.Token);
            var output = await process.StandardOutput.ReadToEndAsync(Deadline.Token);
            await process.WaitForExitAsync(Deadline.Token);
            return (process.ExitCode, output + await error);
        }
        catch (Win32Exception)
        {
            Assert.Ignore($"needs {Tool}, of the package systemd; .ci/run installs what is missing");
            throw;
        }
    }
}
