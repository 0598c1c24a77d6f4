using System.Globalization;
using System.Text.RegularExpressions;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>docs/plugin-guide.md, done as it is written: every file in it is compiled, every command run, every output compared.</summary>
[Category("Long")]
internal sealed partial class GuideTests
{
    private const string Version = "1.0.0-guide";
    private const string WrittenPort = "7001";
    private static readonly string Guide = Path.Combine(Repository.Root, "docs", "plugin-guide.md");
    private readonly Workspace _workspace = new();
    private readonly string _port = Ports.Free().ToString(CultureInfo.InvariantCulture);

    private string Folder => Path.Combine(_workspace.Root, "evening");

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [Test]
    public async Task Every_step_of_the_guide_works_as_it_is_written()
    {
        var dotnet = await PrepareAsync();
        HostProcess? host = null;
        try
        {
            var output = "";
            foreach (Match block in Blocks().Matches(await File.ReadAllTextAsync(Guide)))
            {
                var (language, argument, text) = (block.Groups["language"].Value, block.Groups["argument"].Value, block.Groups["text"].Value.Replace(WrittenPort, _port, StringComparison.Ordinal));
                TestContext.Out.WriteLine($"{language} {argument}");
                switch (language, argument)
                {
                    case ("sh", "host"):
                        Assert.That(text.Trim(), Is.EqualTo("plugin-server run"));
                        host = await HostProcess.StartInAsync(Folder);
                        break;
                    case ("sh", _):
                        output = await dotnet.ShellAsync(Folder, text);
                        await AskForThisBuildAsync();
                        break;
                    case ("text", _):
                        Assert.That(output, Does.EndWith(text));
                        break;
                    default:
                        Assert.That(argument, Is.Not.Empty, $"a file without a name: {text}");
                        await WriteAsync(argument, text);
                        break;
                }
            }

            Assert.That(host, Is.Not.Null);
            host!.Signal("TERM");
            Assert.That(await host.ExitAsync(), Is.Zero);
        }
        finally
        {
            host?.Dispose();
        }
    }

    /// <summary>What the guide takes for granted: plugin-server, and the packages.</summary>
    private async Task<Dotnet> PrepareAsync()
    {
        if (await Tools.MissingAsync("nc", "bash") is { } missing)
        {
            Assert.Ignore($"The guide {missing}");
        }

        var (packages, bin) = (Path.Combine(_workspace.Root, "packages"), Path.Combine(_workspace.Root, "bin"));
        foreach (var (project, version) in from project in new[] { "plugin-abstractions", "plugin-testing" } from version in new[] { StatusReport.Version, Version } select (project, version))
        {
            // That of this host, which looks for them, and that which is asked for.
            await new Dotnet().RunAsync(Repository.Root, "pack", project, "--no-build", "--configuration", Repository.Configuration, "--output", packages, $"-p:PackageVersion={version}", "-p:BuildProjectReferences=false");
        }

        Directory.CreateDirectory(Folder);
        Directory.CreateDirectory(bin);
        var command = Path.Combine(bin, "plugin-server");
        await File.WriteAllTextAsync(command, $"#!/bin/sh\nexec dotnet '{Path.Combine(AppContext.BaseDirectory, "plugin-server.dll")}' \"$@\"\n");
        await new Dotnet().ShellAsync(bin, $"chmod +x {command}");
        return Dotnet.At(Path.Combine(_workspace.Root, "home"))
            .With("PACKAGES", packages)
            .With("PATH", $"{bin}:{Environment.GetEnvironmentVariable("PATH")}");
    }

    /// <summary>A version that no cache of this machine can hold.</summary>
    private async Task AskForThisBuildAsync()
    {
        var file = Path.Combine(Folder, "Directory.Build.props");
        await File.WriteAllTextAsync(file, VersionText().Replace(await File.ReadAllTextAsync(file), Version));
    }

    private async Task WriteAsync(string path, string text)
    {
        var file = Path.Combine(Folder, path);
        Assert.That(Directory.Exists(Path.GetDirectoryName(file)), Is.True, $"{path} has no folder");
        await File.WriteAllTextAsync(file, text);
    }

    [GeneratedRegex("^```(?<language>[a-z]+) ?(?<argument>[^\n]*)\n(?<text>.*?)^```$", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Blocks();

    [GeneratedRegex("(?<=<PluginServerVersion>)[^<]*")]
    private static partial Regex VersionText();
}
