namespace PluginServer.Networking;

/// <summary>How many connections the whole host takes where plugins.json does not say: what the open-file limit allows.</summary>
internal static class HostLimit
{
    private const int Reserve = 256;
    private const string Limits = "/proc/self/limits";

    /// <summary>What a limit on open files leaves, less a reserve for listeners, assemblies and logs.</summary>
    public static int From(int? openFiles) => openFiles is { } files ? Math.Max(1, files - Math.Min(Reserve, files / 4)) : int.MaxValue;

    /// <summary>How many files this process may open, as the soft limit says; see getrlimit(2), RLIMIT_NOFILE, and proc(5). Null where the system does not tell, or sets no limit.</summary>
    public static int? OpenFiles()
    {
        if (!File.Exists(Limits))
        {
            return null;
        }

        var line = File.ReadLines(Limits).FirstOrDefault(line => line.StartsWith("Max open files", StringComparison.Ordinal));
        return int.TryParse(line?.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3], out var files) ? files : null;
    }
}
