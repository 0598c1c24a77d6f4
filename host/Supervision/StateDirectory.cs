using System.Globalization;

namespace PluginServer.Supervision;

/// <summary>The folder that one running host has to itself: copies of builds, and a lock with its process id.</summary>
internal sealed class StateDirectory : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private readonly FileStream _lock;

    private StateDirectory(string path, FileStream @lock)
    {
        Path = path;
        _lock = @lock;
    }

    public string Path { get; }

    /// <summary>Makes the folder and claims it.</summary>
    /// <exception cref="StartException">Another host has it, named by its process id, or it cannot be written.</exception>
    public static StateDirectory Claim(string path)
    {
        // The runtime asks for a lock on every open, so what the lock's owner says of itself stands in a file of its own.
        var pidFile = System.IO.Path.Combine(path, "host.pid");
        try
        {
            Directory.CreateDirectory(path);
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, OwnerOnly);
            }

            // flock(2) by the runtime: the lock ends with the process, however that ends.
            var stream = new FileStream(System.IO.Path.Combine(path, "host.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            File.WriteAllText(pidFile, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            return new StateDirectory(path, stream);
        }
        catch (IOException) when (ReadPid(pidFile) is { } pid && IsRunning(pid))
        {
            throw new StartException($"state directory {path} belongs to a host that is running, pid {pid}; stop it, or give this one a \"stateDirectory\" of its own");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StartException($"state directory {path} cannot be used: {error.Message}; it must be writable for the host's user");
        }
    }

    public void Dispose() => _lock.Dispose();

    private static int? ReadPid(string file) =>
        File.Exists(file) && int.TryParse(File.ReadAllText(file), CultureInfo.InvariantCulture, out var pid) ? pid : null;

    private static bool IsRunning(int pid)
    {
        try
        {
            using var process = System.Diagnostics.Process.GetProcessById(pid);
            return true;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
