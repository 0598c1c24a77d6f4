using System.Collections.Frozen;
using System.Reflection;

namespace PluginServer.Plugins;

/// <summary>The closed list of what a plugin sees from outside its folder: the shared frameworks and the contract.</summary>
/// <remarks>Everything else of the host, its own packages included, is invisible to plugins.</remarks>
internal static class SharedAssemblies
{
    public static readonly Assembly Contract = typeof(IConnectionHandler).Assembly;

    public static readonly string ContractName = Contract.GetName().Name!;

    public static readonly Version ContractVersion = Contract.GetName().Version!;

    private static readonly FrozenDictionary<string, string> Frameworks = FindFrameworks();

    // Each of these caches types of its callers for ever, which would root a plugin's load context. A copy inside that
    // context caches just as much, and is collected with it. Measured on .NET 10.0.12; see docs/plugins.md.
    private static readonly FrozenSet<string> PrivateCopies = FrozenSet.Create(
        StringComparer.OrdinalIgnoreCase,
        "System.ComponentModel.TypeConverter",
        "System.ComponentModel.Annotations",
        "Microsoft.CSharp",
        "Microsoft.Extensions.Configuration.Binder",
        "Microsoft.Extensions.Options.ConfigurationExtensions",
        "Microsoft.Extensions.Options.DataAnnotations");

    /// <summary>Whether a simple name is the contract's or a shared framework's; these win over files in a plugin's folder.</summary>
    public static bool Contains(string name) => IsContract(name) || Frameworks.ContainsKey(name);

    public static bool IsContract(string name) => string.Equals(name, ContractName, StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether each plugin gets a copy of its own of this framework assembly.</summary>
    public static bool IsPrivateCopy(string name) => PrivateCopies.Contains(name);

    public static string PathOf(string name) => IsContract(name) ? Contract.Location : Frameworks[name];

    public static Version VersionOf(string name) => AssemblyName.GetAssemblyName(PathOf(name)).Version!;

    private static FrozenDictionary<string, string> FindFrameworks()
    {
        // The trusted list holds the host's own packages too; only the folders of the two shared frameworks count.
        var trusted = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var folders = new HashSet<string?>(StringComparer.Ordinal) { Path.GetDirectoryName(typeof(object).Assembly.Location) };
        folders.UnionWith(trusted.Where(path => Path.GetFileName(path) == "Microsoft.AspNetCore.dll").Select(Path.GetDirectoryName));
        return trusted
            .Where(path => folders.Contains(Path.GetDirectoryName(path)))
            .Distinct(StringComparer.Ordinal)
            .ToFrozenDictionary(path => Path.GetFileNameWithoutExtension(path), StringComparer.OrdinalIgnoreCase);
    }
}
