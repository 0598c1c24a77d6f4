using System.Runtime.ExceptionServices;
using PluginServer.Administration;
using PluginServer.Plugins;

namespace PluginServer;

/// <summary>The entry point of <c>plugin-server</c>.</summary>
internal static class Program
{
    private static bool IsPlain =>
        !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")) || Environment.GetEnvironmentVariable("TERM") == "dumb";

    private static async Task Main(string[] arguments)
    {
        ExceptionHandling.SetUnhandledExceptionHandler(StrayFaults.TryContain);
        TaskScheduler.UnobservedTaskException += (_, unobserved) => StrayFaults.Observe(unobserved.Exception);
        var exitCode = await CommandLine.InvokeAsync(arguments, new CommandContext(Console.Out, Console.Error, !Console.IsOutputRedirected, IsPlain));

        // Not by returning: a thread that a plugin has left behind would keep the process alive.
        Environment.Exit(exitCode);
    }
}
