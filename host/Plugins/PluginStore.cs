using System.Security.Cryptography;
using System.Text;

namespace PluginServer.Plugins;

/// <summary>Copies drop folders into folders named by their content, so that what is loaded is never written to.</summary>
/// <remarks>Overwriting a loaded DLL kills the process (SIGBUS) or corrupts it, and <c>cp</c> and <c>dotnet publish -o</c> do just that.</remarks>
internal sealed class PluginStore(string stateDirectory)
{
    private const int Attempts = 5;

    /// <summary>errno(3), ENOSPC, which is the code of the exception.</summary>
    private const int NoSpace = 28;

    // A mounted folder holds its files in ..<time>, links ..data to that and each file into ..data: the same content would hash differently at every mount.
    private const string Kubelet = "..";
    private readonly string _root = Path.Combine(stateDirectory, "plugins");

    /// <summary>Copies the present content of a plugin's drop folder, or finds the copy made before.</summary>
    /// <exception cref="PluginException">The folder or its main DLL is missing, unreadable or does not hold still.</exception>
    public PluginBuild Import(string pluginDirectory, string name)
    {
        var source = Path.Combine(pluginDirectory, name);
        if (!Directory.Exists(source))
        {
            throw new PluginException($"plugin {name}: there is no folder {source}; publish the plugin into it (dotnet publish -o {source})");
        }

        if (!File.Exists(Path.Combine(source, $"{name}.dll")))
        {
            throw new PluginException($"plugin {name}: {name}.dll is not in {source}; the main DLL must bear the folder's name");
        }

        try
        {
            return Copy(source, name);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PluginException(error.HResult == NoSpace
                ? $"plugin {name}: {source} cannot be copied to {_root}: no space is left there; make room, then reload"
                : $"plugin {name}: {source} cannot be copied to {_root}: {error.Message}");
        }
    }

    /// <summary>A copy made before, if it is still whole.</summary>
    public PluginBuild? Find(string name, string sha256)
    {
        var folder = Path.Combine(_root, name, sha256);
        return File.Exists(Path.Combine(folder, $"{name}.dll")) && Hash(folder) == sha256 ? new PluginBuild(name, sha256, folder, folder) : null;
    }

    /// <summary>Removes a plugin's copies, but for those named, and what a host that was killed had left half done.</summary>
    public void Clean(string name, IReadOnlyCollection<string> keep)
    {
        var home = Path.Combine(_root, name);
        if (!Directory.Exists(home))
        {
            return;
        }

        foreach (var folder in Directory.EnumerateDirectories(home).Where(folder => !keep.Contains(Path.GetFileName(folder))))
        {
            try
            {
                Delete(folder);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // A left-over copy costs disk space, and is tried again at the next start.
            }
        }
    }

    /// <summary>SHA-256 over the lines <c>path NUL sha256(content) LF</c>, sorted by their bytes, of every file but .pdb; symbolic links are followed.</summary>
    public static string Hash(string folder)
    {
        var lines = Files(folder)
            .Where(path => !path.EndsWith(".pdb", StringComparison.OrdinalIgnoreCase))
            .Select(path => Encoding.UTF8.GetBytes($"{path}\0{HashFile(Path.Combine(folder, path))}\n"))
            .ToList();
        lines.Sort((left, right) => left.AsSpan().SequenceCompareTo(right));
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        lines.ForEach(hash.AppendData);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Paths relative to the folder, with '/' whatever the system; without what the kubelet keeps in it for itself.</summary>
    public static IEnumerable<string> Files(string folder) => Files(new DirectoryInfo(folder), "", []);

    private static IEnumerable<string> Files(DirectoryInfo folder, string prefix, List<string> above)
    {
        // A link to a folder above would be walked for ever.
        var real = folder.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? folder.FullName;
        if (above.Contains(real))
        {
            yield break;
        }

        above.Add(real);
        foreach (var entry in folder.EnumerateFileSystemInfos())
        {
            var path = prefix + entry.Name;
            if (path.StartsWith(Kubelet, StringComparison.Ordinal))
            {
                continue;
            }

            if (entry is not DirectoryInfo directory)
            {
                yield return path;
                continue;
            }

            foreach (var below in Files(directory, $"{path}/", above))
            {
                yield return below;
            }
        }

        above.RemoveAt(above.Count - 1);
    }

    private static string HashFile(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private PluginBuild Copy(string source, string name)
    {
        var home = Path.Combine(_root, name);
        Directory.CreateDirectory(home);
        for (var attempt = 1; ; attempt++)
        {
            var incoming = Path.Combine(home, $".incoming-{Guid.NewGuid():N}");
            try
            {
                CopyFiles(source, incoming);
                var hash = Hash(incoming);
                var target = Path.Combine(home, hash);
                if (hash != Hash(source))
                {
                    if (attempt == Attempts)
                    {
                        throw new PluginException($"plugin {name}: {source} changes while it is read; wait until the copy into it has ended");
                    }

                    continue;
                }

                if (!Directory.Exists(target) || Hash(target) != hash)
                {
                    Delete(target);
                    Directory.Move(incoming, target);
                }

                return new PluginBuild(name, hash, target, source);
            }
            finally
            {
                Delete(incoming);
            }
        }
    }

    private static void CopyFiles(string source, string target)
    {
        foreach (var path in Files(source))
        {
            var copy = Path.Combine(target, path);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            using var from = new FileStream(Path.Combine(source, path), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var to = new FileStream(copy, FileMode.CreateNew, FileAccess.Write);
            from.CopyTo(to);
        }
    }

    private static void Delete(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
