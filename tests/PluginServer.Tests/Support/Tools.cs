using System.ComponentModel;
using System.Diagnostics;

namespace PluginServer.Tests.Support;

/// <summary>Programs that this project did not write.</summary>
internal static class Tools
{
    /// <summary>Null when all are here, otherwise what to tell whoever looks at the skipped test.</summary>
    public static async Task<string?> MissingAsync(params string[] tools)
    {
        foreach (var tool in tools)
        {
            var (code, _) = await RunAsync("sh", "-c", $"command -v {tool}");
            if (code != 0)
            {
                return $"needs {tool}; .ci/run installs what is missing";
            }
        }

        return null;
    }

    /// <summary>Runs one to its end: its exit code, and all that it has written.</summary>
    public static async Task<(int Code, string Output)> RunAsync(string tool, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(tool, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
            process.StandardInput.Close();
            var (output, error) = (process.StandardOutput.ReadToEndAsync(Deadline.Token), process.StandardError.ReadToEndAsync(Deadline.Token));
            await process.WaitForExitAsync(Deadline.Token);
            return (process.ExitCode, await output + await error);
        }
        catch (Win32Exception)
        {
            return (127, $"there is no {tool} here");
        }
    }
}
