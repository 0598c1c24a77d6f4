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
        var file = System.IO.Path.Combine(path, "host.lock");
        try
        {
            Directory.CreateDirectory(path);
            if (!OperatingSystem.IsWindows())
            {
                File.SetUnixFileMode(path, OwnerOnly);
            }

            // The lock is the open file, flock(2), so it ends with the process however that ends; what it says is for people.
            var stream = new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            stream.SetLength(0);
            stream.Write(System.Text.Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
            stream.Flush();
            return new StateDirectory(path, stream);
        }
        catch (IOException error) when (ReadPid(file) is { } pid && error is not DirectoryNotFoundException)
        {
            throw new StartException($"state directory {path} belongs to a host that is running, pid {pid}; stop it, or give this one a \"stateDirectory\" of its own");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StartException($"state directory {path} cannot be used: {error.Message}; it must be writable for the host's user");
        }
    }

    public void Dispose() => _lock.Dispose();

    private static string? ReadPid(string file)
    {
        try
        {
            // A reader that shares everything asks for no lock.
            using var reader = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
            return reader.ReadToEnd().Trim() is { Length: > 0 } pid ? pid : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
