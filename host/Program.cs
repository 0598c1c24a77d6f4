using System.Reflection;
using PluginServer.Administration;

namespace PluginServer;

/// <summary>The entry point of <c>plugin-server</c>.</summary>
internal static class Program
{
    public static string Version { get; } = typeof(Program).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    private static Task<int> Main(string[] arguments) =>
        CommandLine.InvokeAsync(arguments, new CommandContext(Console.Out, Console.Error, !Console.IsOutputRedirected));
}
