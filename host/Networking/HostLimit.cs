namespace PluginServer.Networking;

/// <summary>How many connections the whole host takes where plugins.json does not say: what the open-file limit allows.</summary>
internal static class HostLimit
{
    private const int Reserve = 256;
    private const string Limits = "/proc/self/limits";

    /// <summary>The soft limit on open files, less a reserve for listeners, assemblies and logs. See getrlimit(2), RLIMIT_NOFILE, and proc(5).</summary>
    public static int FromOpenFiles() => OpenFiles() is { } files ? Math.Max(1, files - Math.Min(Reserve, files / 4)) : int.MaxValue;

    /// <summary>That soft limit; null where the system has none or does not tell.</summary>
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
