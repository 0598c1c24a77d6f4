namespace PluginServer.Tests.Support;

/// <summary>What this process has open, each by what it is: a socket has a number of its own, so what is new is known exactly, whatever
/// else is closed meanwhile.</summary>
internal sealed class Descriptors
{
    private readonly List<string> _open = [.. Read()];

    public int Count => _open.Count;

    /// <summary>Sockets that were not there before, files of a folder but for those of builds that are still loaded, and kinds without a name
    /// of which there are more than before.</summary>
    public IEnumerable<string> Since(Descriptors before, string folder, IReadOnlyCollection<string> loaded)
    {
        var sockets = _open.Where(IsSocket).Except(before._open);
        var files = _open.Where(target => target.StartsWith(folder, StringComparison.Ordinal) && !loaded.Any(target.Contains));
        var others = _open.Where(target => target.StartsWith("anon_inode:", StringComparison.Ordinal)).GroupBy(kind => kind)
            .Where(kind => kind.Count() > before._open.Count(target => target == kind.Key)).Select(kind => $"{kind.Count()} of {kind.Key}");
        return [.. sockets, .. files, .. others];
    }

    private static bool IsSocket(string target) => target.StartsWith("socket:", StringComparison.Ordinal);

    private static IEnumerable<string> Read()
    {
        foreach (var descriptor in Directory.EnumerateFileSystemEntries("/proc/self/fd"))
        {
            string? target = null;
            try
            {
                target = new FileInfo(descriptor).LinkTarget;
            }
            catch (IOException)
            {
                // Closed since: that of the listing is one.
            }

            if (target is not null)
            {
                yield return target;
            }
        }
    }
}
