using PluginServer.Configuration;
using PluginServer.Plugins;

namespace PluginServer.Administration;

/// <summary>Says of each assembly of a plugin where it comes from and why.</summary>
internal static class ExplainCommand
{
    public static int Run(CommandContext context, string file, string name)
    {
        var read = ConfigReader.Read(file);
        if (read.Config is not { } config)
        {
            return context.Fail(read.Errors.Select(error => error.ToString()));
        }

        using var scratch = new ScratchDirectory();
        PluginInspection inspection;
        try
        {
            var build = new PluginStore(scratch.Path).Import(config.PluginDirectory, name);
            inspection = new PluginInspector().Inspect(build);
        }
        catch (PluginException problem)
        {
            return context.Fail([problem.Message]);
        }

        if (inspection.Problems.Count > 0)
        {
            return context.Fail(inspection.Problems);
        }

        Print(context.Report, inspection);
        return 0;
    }

    private static void Print(Report report, PluginInspection inspection)
    {
        report.Line($"{inspection.Build.Name} {inspection.Version}, sha256 {inspection.Build.Sha256}");
        report.Line($"handlers: {(inspection.Handlers.Count == 0 ? "none" : string.Join(", ", inspection.Handlers))}");
        report.Line($"services: {inspection.PluginType ?? "no IPlugin"}");
        report.Table(
            ["Assembly", "Version", "Asked for", "From", "Seen by"],
            [.. inspection.Assemblies.Select(assembly => new[] { assembly.Name, assembly.Version.ToString(), assembly.Requested.ToString(), From(assembly), SeenBy(assembly) })]);
        foreach (var ignored in inspection.Ignored)
        {
            report.Line($"ignored: {ignored}");
        }

        if (inspection.Assemblies.Any(assembly => assembly.Name == "System.ComponentModel.TypeConverter"))
        {
            report.Line("note: with a TypeConverter of its own, framework types do not see the plugin's ICustomTypeDescriptor, IBindingList and ITypedList");
        }
    }

    private static string From(InspectedAssembly assembly) => assembly.Source switch
    {
        AssemblySource.Plugin => "the plugin's folder",
        _ when SharedAssemblies.IsContract(assembly.Name) => "the host (contract)",
        _ => "a shared framework",
    };

    private static string SeenBy(InspectedAssembly assembly) => assembly.Source switch
    {
        AssemblySource.Shared => "shared with the host and all plugins",
        AssemblySource.FrameworkCopy => "private copy, so that the plugin can be unloaded",
        _ => "private to the plugin",
    };
}
