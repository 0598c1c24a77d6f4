using System.Globalization;

namespace PluginServer.Networking;

/// <summary>Which process listens on a TCP port, where the system tells: proc(5), /proc/net/tcp and /proc/PID/fd.</summary>
internal static class PortOwner
{
    private const string Listen = "0A";
    private static readonly string[] Tables = ["/proc/net/tcp", "/proc/net/tcp6"];

    /// <summary>"pid 4711 (nginx)", or null when it cannot be found out: another system, or another user's process.</summary>
    public static string? Find(int port)
    {
        try
        {
            var inodes = Tables
                .Where(File.Exists)
                .SelectMany(File.ReadLines)
                .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Where(fields => fields.Length > 9 && fields[3] == Listen && PortOf(fields[1]) == port)
                .Select(fields => $"socket:[{fields[9]}]")
                .ToHashSet(StringComparer.Ordinal);
            return inodes.Count == 0 || !Directory.Exists("/proc") ? null : Directory.EnumerateDirectories("/proc").Select(process => Holds(process, inodes)).FirstOrDefault(found => found is not null);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>A process by its id and, where the system tells, its name.</summary>
    public static string Describe(int pid)
    {
        try
        {
            return $"pid {pid} ({File.ReadAllText($"/proc/{pid}/comm").Trim()})";
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return $"pid {pid}";
        }
    }

    private static int PortOf(string address) => int.Parse(address[(address.LastIndexOf(':') + 1)..], NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static string? Holds(string process, HashSet<string> inodes)
    {
        if (!int.TryParse(Path.GetFileName(process), out var pid))
        {
            return null;
        }

        try
        {
            return Directory.EnumerateFileSystemEntries($"{process}/fd").Any(link => inodes.Contains(new FileInfo(link).LinkTarget ?? ""))
                ? Describe(pid)
                : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Another user's process, or one that has just ended.
            return null;
        }
    }
}
