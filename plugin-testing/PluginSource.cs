namespace PluginServer.Testing;

/// <summary>A plugin's build where it lies: the folder, and the name that its main assembly bears.</summary>
internal sealed record PluginSource(string Folder, string Name)
{
    private const string Contract = "PluginServer.Abstractions";

    /// <summary>From what a test names: a folder, a .dll, or a project, which is built.</summary>
    /// <exception cref="PluginHostException">There is no such thing, or no plugin in it, or it does not compile.</exception>
    public static async Task<PluginSource> FindAsync(string pathOrProject, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(pathOrProject);
        var path = Locate(pathOrProject);
        if (Path.GetExtension(path) is ".csproj" or ".fsproj" or ".vbproj")
        {
            return await ProjectBuild.OfAsync(path, cancellationToken);
        }

        if (!Directory.Exists(path))
        {
            return Path.GetExtension(path) == ".dll"
                ? new PluginSource(Path.GetDirectoryName(path)!, Path.GetFileNameWithoutExtension(path))
                : throw new PluginHostException($"{path} is no plugin; name a folder with the plugin's build, its .dll, or its project");
        }

        if (OfFolder(path) is { } source)
        {
            return source;
        }

        return Directory.GetFiles(path, "*.*proj") is [var project]
            ? await ProjectBuild.OfAsync(project, cancellationToken)
            : throw new PluginHostException($"{path} holds no plugin: none of its .dll files bears the folder's name or is the only one; build into it, or name the .dll or the project");
    }

    /// <summary>The build in a folder: the assembly of the folder's name, or the only one that has a deps.json, or the only one; null where it is none of these.</summary>
    private static PluginSource? OfFolder(string folder)
    {
        List<string> names = [.. Directory.EnumerateFiles(folder, "*.dll").Select(file => Path.GetFileNameWithoutExtension(file)).Where(name => name != Contract)];
        var bearing = names.Find(name => name == Path.GetFileName(folder));
        List<string> described = [.. names.Where(name => File.Exists(Path.Combine(folder, $"{name}.deps.json")))];
        var found = bearing ?? (described is [var one] ? one : names is [var only] ? only : null);
        return found is null ? null : new PluginSource(folder, found);
    }

    /// <summary>A relative path is one of the folder of the tests, or of a folder above it: test runners start anywhere, and builds lie below the project.</summary>
    private static string Locate(string path)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var candidate = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path, folder.FullName));
            if (Path.Exists(candidate))
            {
                return candidate;
            }
        }

        throw new PluginHostException(Path.IsPathRooted(path)
            ? $"there is no {path}; build the plugin first, or name its project"
            : $"there is no {path} in {AppContext.BaseDirectory} or a folder above it; build the plugin first, or name its project");
    }
}
