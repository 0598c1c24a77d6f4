using System.Reflection;
using System.Runtime.Loader;
using Microsoft.Extensions.Logging;
using PluginServer.Diagnostics;

namespace PluginServer.Plugins;

/// <summary>One build's own world of assemblies; it only decides where an assembly comes from.</summary>
/// <remarks>It holds no field of a plugin's type: such a field would keep the context alive.</remarks>
internal sealed class PluginLoadContext(PluginBuild build, int generation, ILogger log, Telemetry? telemetry)
    : AssemblyLoadContext($"{build.Name} {generation} ({build.ShortHash})", isCollectible: true)
{
    private readonly PluginFolder _folder = new(build);

    /// <summary>Found by way of the context because what is known of a stray exception is its methods.</summary>
    public StrayFaults Faults { get; } = new(build.Name, generation, log, telemetry);

    protected override Assembly? Load(AssemblyName assemblyName)
    {
        var name = assemblyName.Name!;
        if (SharedAssemblies.IsPrivateCopy(name))
        {
            return LoadFromAssemblyPath(SharedAssemblies.PathOf(name));
        }

        // By simple name, whatever version the plugin was built with: the inspector has refused what is too new.
        if (SharedAssemblies.IsContract(name))
        {
            return SharedAssemblies.Contract;
        }

        if (SharedAssemblies.Contains(name))
        {
            return Default.LoadFromAssemblyName(new AssemblyName(name));
        }

        if (_folder.Resolve(assemblyName) is { } path)
        {
            return LoadFromAssemblyPath(path);
        }

        // Null would fall through to the host's own packages. For a resource assembly it means only: try the parent culture.
        return string.IsNullOrEmpty(assemblyName.CultureName)
            ? throw new FileNotFoundException($"{name} is not in the plugin's folder ({build.Source}) and not in the shared frameworks.", name)
            : null;
    }

    protected override nint LoadUnmanagedDll(string unmanagedDllName) => _folder.ResolveNative(unmanagedDllName) is { } path ? LoadUnmanagedDllFromPath(path) : 0;
}
