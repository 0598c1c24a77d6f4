using System.Diagnostics;

namespace PluginServer.Tests.Support;

/// <summary>The dotnet command as a user runs it, in a shell that knows nothing of this process; each run has to succeed.</summary>
internal sealed class Dotnet
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(5);
    private readonly Dictionary<string, string> _environment = new() { ["MSBUILDDISABLENODEREUSE"] = "1", ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1", ["DOTNET_NOLOGO"] = "1" };

    /// <summary>Of a user who has a home of his own, with nothing in it: no settings, no templates, no packages. Only what the registry would give him anew is taken from
    /// where this user has it.</summary>
    public static Dotnet At(string home)
    {
        Directory.CreateDirectory(home);
        var packages = Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        var dotnet = new Dotnet();
        dotnet._environment["HOME"] = home;
        dotnet._environment["DOTNET_CLI_HOME"] = home;
        dotnet._environment["NUGET_PACKAGES"] = Path.Combine(home, ".nuget", "packages");
        dotnet._environment["RestoreFallbackFolders"] = packages;
        return dotnet;
    }

    /// <summary>Sets a variable for what is run from now on.</summary>
    public Dotnet With(string name, string value)
    {
        _environment[name] = value;
        return this;
    }

    /// <summary>Runs it in a folder, and returns what it wrote.</summary>
    public Task<string> RunAsync(string folder, params string[] arguments) => ExecuteAsync(folder, "dotnet", arguments);

    /// <summary>Runs a script of a shell, which may call it, and returns what it wrote.</summary>
    public Task<string> ShellAsync(string folder, string script) => ExecuteAsync(folder, "bash", ["-euo", "pipefail", "-c", script]);

    private async Task<string> ExecuteAsync(string folder, string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };

        // The test runner's own settings must not reach a build of somebody else's.
        foreach (var name in start.Environment.Keys.Where(static name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase) || name.StartsWith("VSTEST", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            start.Environment.Remove(name);
        }

        foreach (var (name, value) in _environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(Longest);
        var (output, error) = (process.StandardOutput.ReadToEndAsync(deadline.Token), process.StandardError.ReadToEndAsync(deadline.Token));
        await process.WaitForExitAsync(deadline.Token);
        var written = await output + await error;
        Assert.That(process.ExitCode, Is.Zero, $"{program} {string.Join(' ', arguments)}\n{written}");
        return written;
    }
}
