using PluginServer.Administration;

namespace PluginServer;

/// <summary>The entry point of <c>plugin-server</c>.</summary>
internal static class Program
{
    private static bool IsPlain =>
        !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")) || Environment.GetEnvironmentVariable("TERM") == "dumb";

    private static Task<int> Main(string[] arguments) =>
        CommandLine.InvokeAsync(arguments, new CommandContext(Console.Out, Console.Error, !Console.IsOutputRedirected, IsPlain));
}
