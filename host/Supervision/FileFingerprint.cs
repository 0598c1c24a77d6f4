using System.Security.Cryptography;
using System.Text;
using PluginServer.Networking;

namespace PluginServer.Supervision;

/// <summary>What a file or a folder looks like from outside, in one short text; empty when it is missing or holds nothing.</summary>
/// <remarks>No content is read: this is taken every two seconds.</remarks>
internal static class FileFingerprint
{
    /// <summary>Never throws: what cannot be looked at is written down as unreadable.</summary>
    public static string Of(string path)
    {
        var lines = new List<string>();
        Add(Directory.Exists(path) ? new DirectoryInfo(path) : new FileInfo(path), "", [], lines);
        if (lines.Count == 0)
        {
            return "";
        }

        // A folder lists its files in an order of its own, and another one after they were moved away and back.
        lines.Sort(StringComparer.Ordinal);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        lines.ForEach(line => hash.AppendData(Encoding.UTF8.GetBytes(line)));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void Add(FileSystemInfo entry, string path, List<string> above, List<string> lines)
    {
        try
        {
            var link = entry.LinkTarget;
            if (link is not null)
            {
                lines.Add($"{path}\0-> {link}\n");
            }

            if (entry is DirectoryInfo folder)
            {
                AddFolder(folder, path, above, lines);
            }
            else if (link is not null)
            {
                // A link tells the length of its own text, and the runtime resolves ".." in it by spelling; only the kernel knows what it leads to.
                using var file = File.OpenHandle(entry.FullName, share: FileShare.ReadWrite | FileShare.Delete);
                lines.Add(Line(path, RandomAccess.GetLength(file), File.GetLastWriteTimeUtc(file), FileIdentity.Of(entry.FullName)));
            }
            else if (entry is FileInfo { Exists: true } file)
            {
                lines.Add(Line(path, file.Length, file.LastWriteTimeUtc, FileIdentity.Of(file.FullName), file.UnixFileMode));
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            lines.Add($"{path}\0unreadable\n");
        }
    }

    // The mode too: a file that could not be read may be readable after a chmod. A link's target is opened, so that one shows by itself.
    private static string Line(string path, long length, DateTime written, string identity, UnixFileMode mode = UnixFileMode.None) =>
        $"{path}\0{length} {written.Ticks} {identity} {mode}\n";

    private static void AddFolder(DirectoryInfo folder, string path, List<string> above, List<string> lines)
    {
        // A link to a folder above would be walked for ever.
        var real = folder.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? folder.FullName;
        if (above.Contains(real))
        {
            return;
        }

        foreach (var entry in folder.EnumerateFileSystemInfos())
        {
            Add(entry, $"{path}/{entry.Name}", [.. above, real], lines);
        }
    }
}
