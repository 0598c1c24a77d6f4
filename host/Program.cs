using PluginServer.Administration;

namespace PluginServer;

/// <summary>The entry point of <c>plugin-server</c>.</summary>
internal static class Program
{
    private static Task<int> Main(string[] arguments) =>
        CommandLine.InvokeAsync(arguments, new CommandContext(Console.Out, Console.Error, !Console.IsOutputRedirected));
}
