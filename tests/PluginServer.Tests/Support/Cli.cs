using PluginServer.Administration;

namespace PluginServer.Tests.Support;

/// <summary>The command line in this process, with what it wrote.</summary>
internal static class Cli
{
    public static async Task<(int ExitCode, string Output, string Error)> RunAsync(params string[] arguments)
    {
        var output = new StringWriter();
        var error = new StringWriter();
        var exitCode = await CommandLine.InvokeAsync(arguments, new CommandContext(output, error, IsTerminal: false));
        return (exitCode, output.ToString(), error.ToString());
    }
}
