using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace PluginServer.Testing;

/// <summary>Builds of projects, published to folders that go with this process. The same project is built once, until a file of its folder changes.</summary>
internal static class ProjectBuild
{
    private static readonly ConcurrentDictionary<string, PluginSource> Built = new(StringComparer.Ordinal);

    // Builds of one process would get in each other's way in the projects that they share.
    private static readonly SemaphoreSlim One = new(1, 1);

    /// <exception cref="PluginHostException">It does not compile; the errors are the compiler's.</exception>
    public static async Task<PluginSource> OfAsync(string project, CancellationToken cancellationToken)
    {
        await One.WaitAsync(cancellationToken);
        try
        {
            var state = State(project);
            if (!Built.TryGetValue(state, out var source))
            {
                source = Built[state] = await PublishAsync(project, cancellationToken);
            }

            return source;
        }
        finally
        {
            One.Release();
        }
    }

    /// <summary>That of the tests, as their folder says: publish would take Release, and where both build to one folder replace what others are reading there.</summary>
    private static string Configuration => AppContext.BaseDirectory.Split(Path.DirectorySeparatorChar).Contains("Release", StringComparer.OrdinalIgnoreCase) ? "Release" : "Debug";

    private static async Task<PluginSource> PublishAsync(string project, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("plugin-server-build-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => HostFolder.Delete(folder);
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", ["publish", project, "--configuration", Configuration, "--output", folder, "--nologo", "--verbosity", "quiet", "-p:EnableDynamicLoading=true", "-nodeReuse:false"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };

        // Those of the build that runs the tests, which say where other tools lie.
        foreach (var name in start.Environment.Keys.Where(name => name.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList())
        {
            start.Environment.Remove(name);
        }

        using var process = Process.Start(start)!;
        try
        {
            var (output, errors) = (process.StandardOutput.ReadToEndAsync(cancellationToken), process.StandardError.ReadToEndAsync(cancellationToken));
            await process.WaitForExitAsync(cancellationToken);
            var lines = $"{await output}\n{await errors}".Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            if (process.ExitCode != 0)
            {
                List<string> wrong = [.. lines.Where(line => line.Contains("error", StringComparison.Ordinal)).Distinct()];
                throw new PluginHostException([$"{project} does not build:", .. wrong.Count > 0 ? wrong : [.. lines]]);
            }
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        var main = Directory.EnumerateFiles(folder, "*.deps.json").Select(file => Path.GetFileName(file)[..^".deps.json".Length]).Where(name => File.Exists(Path.Combine(folder, $"{name}.dll"))).ToList();
        return main is [var only]
            ? new PluginSource(folder, only)
            : throw new PluginHostException($"{project} makes no plugin: {(main.Count == 0 ? "no assembly" : string.Join(", ", main))} came out of it; name the project of one class library");
    }

    /// <summary>Changes whenever a file of the project's folder does.</summary>
    private static string State(string project)
    {
        var folder = Path.GetDirectoryName(project)!;
        var lines = Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(file => Path.GetRelativePath(folder, file).Split(Path.DirectorySeparatorChar) is not ["bin" or "obj", ..])
            .Order(StringComparer.Ordinal)
            .Select(file => string.Create(CultureInfo.InvariantCulture, $"{file}\0{File.GetLastWriteTimeUtc(file).Ticks}\0{new FileInfo(file).Length}\n"));
        return $"{project}\0{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(lines))))}";
    }
}
