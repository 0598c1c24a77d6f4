using System.Reflection;
using System.Runtime.Loader;

namespace PluginServer.Plugins;

/// <summary>Finds an assembly among a build's own files, for the inspector and the load context alike.</summary>
internal sealed class PluginFolder
{
    private readonly string _folder;
    private readonly AssemblyDependencyResolver _resolver;

    /// <exception cref="PluginException">The deps.json cannot be read.</exception>
    public PluginFolder(PluginBuild build)
    {
        _folder = build.Folder;
        try
        {
            _resolver = new AssemblyDependencyResolver(build.MainAssembly);
        }
        catch (InvalidOperationException error)
        {
            var cause = error.Message.ReplaceLineEndings(" ").Replace(build.Folder, build.Source, StringComparison.Ordinal);
            throw new PluginException($"plugin {build.Name}: {build.Name}.deps.json in {build.Source} cannot be read; publish the plugin again ({cause})");
        }
    }

    /// <summary>The path of a managed assembly, or null. The deps.json decides; a file it does not list counts too, since people copy DLLs by hand.</summary>
    public string? Resolve(AssemblyName name)
    {
        var path = _resolver.ResolveAssemblyToPath(name) ?? Path.Combine(_folder, name.CultureName ?? "", $"{name.Name}.dll");
        return File.Exists(path) ? path : null;
    }

    public string? ResolveNative(string name) => _resolver.ResolveUnmanagedDllToPath(name);
}
