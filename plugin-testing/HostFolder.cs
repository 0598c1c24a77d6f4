namespace PluginServer.Testing;

/// <summary>The folder of one host: its drop folder, its state, its plugins.json.</summary>
internal sealed class HostFolder : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("plugin-server-testing-").FullName;
    private PluginSource? _placed;

    /// <summary>Where plugins.json is.</summary>
    public string ConfigFile => Path.Combine(_root, "plugins.json");

    public string CertificateFile => Path.Combine(_root, "certificate.pem");

    private string Drop => Path.Combine(_root, "plugins");

    /// <summary>Puts a build into the drop folder, in the place of the one before.</summary>
    public void Place(PluginSource source)
    {
        Directory.CreateDirectory(Drop);
        var target = Path.Combine(Drop, source.Name);
        if (Directory.Exists(target))
        {
            Directory.Delete(target, recursive: true);
        }

        // Copied and not linked: a test may build into the folder again while the host looks at this one.
        Copy(source.Folder, target);
        _placed = source;
    }

    /// <summary>What the host says, with the paths that the test knows.</summary>
    public string Translate(string text)
    {
        var placed = _placed is null ? text : text.Replace(Path.Combine(Drop, _placed.Name), _placed.Folder, StringComparison.Ordinal);
        return placed.Replace($"{_root}{Path.DirectorySeparatorChar}", "", StringComparison.Ordinal);
    }

    public void Dispose() => Delete(_root);

    /// <summary>As far as it can be: Windows keeps files that are loaded, and a temporary folder is none of the test's business.</summary>
    public static void Delete(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Left to the system.
        }
    }

    private static void Copy(string source, string target)
    {
        foreach (var file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(target, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }
}
