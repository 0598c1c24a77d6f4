using System.Net.Sockets;
using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>The file of a Unix socket: taken over from whoever has left it behind, given its owner and mode, and unlinked in the end.</summary>
internal sealed class SocketFile
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);
    private readonly string _path;
    private readonly string _identity;
    private int _held;

    private SocketFile(string path)
    {
        _path = path;
        _held = OperatingSystem.IsLinux() ? Libc.Hold(path) : -1;
        _identity = FileIdentity.Of(path);
    }

    /// <summary>Binds a socket to the path. It does not listen yet, so nobody can connect before the owner and the mode are set.</summary>
    /// <exception cref="ListenException">Somebody listens there, it is no socket, or it could not be made.</exception>
    /// <exception cref="SocketException">It could not be bound.</exception>
    public static SocketFile Bind(Socket socket, EndpointConfig config)
    {
        var path = config.Unix!;
        var folder = Path.GetDirectoryName(path)!;
        if (!Directory.Exists(folder))
        {
            throw new ListenException($"there is no folder {folder} for the socket; create it, for the host's user to write to");
        }

        // Two hosts that find the same file left behind must not each remove the other's new one.
        var folderLock = LockFolder(folder);
        try
        {
            RemoveLeftOver(path);
            BindTo(socket, path);
        }
        finally
        {
            if (folderLock >= 0)
            {
                _ = Libc.Close(folderLock);
            }
        }

        var file = new SocketFile(path);
        if (file.SetOwner(config) is { } problem)
        {
            file.Unlink();
            throw new ListenException(problem);
        }

        return file;
    }

    /// <summary>The same descriptor as a socket that knows where it is bound, and that it listens.</summary>
    public static Socket Listening(Socket bound)
    {
        if (!OperatingSystem.IsLinux())
        {
            return bound;
        }

        var descriptor = (int)bound.SafeHandle.DangerousGetHandle();
        bound.SafeHandle.SetHandleAsInvalid();
        return new Socket(new SafeSocketHandle(descriptor, ownsHandle: true)) { Blocking = false };
    }

    /// <summary>Gives it the configured owner and mode; says why not.</summary>
    public string? SetOwner(EndpointConfig config)
    {
        var owner = SocketOwner.Parse(config.UnixOwner, out var fault);
        if (fault is not null || OperatingSystem.IsWindows())
        {
            return fault;
        }

        try
        {
            File.SetUnixFileMode(_path, config.UnixMode);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return $"{_path} cannot be given the mode {Convert.ToString((int)config.UnixMode, 8)}: {error.Message}";
        }

        return config.UnixOwner is null || Libc.ChangeOwner(_path, owner.User, owner.Group) == 0 ? null
            : $"{_path} cannot be given to {config.UnixOwner} ({Libc.ErrorOf(Libc.LastError)}): that takes root or CAP_CHOWN, and a group that the host's user is in takes neither when the user stays the same";
    }

    /// <summary>If it is still the one that was bound: what has been put in its place is somebody else's.</summary>
    public void Unlink()
    {
        try
        {
            if (FileIdentity.Of(_path) == _identity)
            {
                File.Delete(_path);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // It stays behind, and the next host removes it.
        }
        finally
        {
            if (Interlocked.Exchange(ref _held, -1) is >= 0 and var held)
            {
                _ = Libc.Close(held);
            }
        }
    }

    private static void BindTo(Socket socket, string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            socket.Bind(new UnixDomainSocketEndPoint(path));
        }
        else if (!Libc.Bind((int)socket.SafeHandle.DangerousGetHandle(), path))
        {
            throw new SocketException((int)Libc.ErrorOf(Libc.LastError));
        }
    }

    private static int LockFolder(string folder)
    {
        if (!OperatingSystem.IsLinux())
        {
            return -1;
        }

        for (var tries = Patience / Pause; tries > 0; tries--)
        {
            if (Libc.TryLockFolder(folder) is >= 0 and var held)
            {
                return held;
            }

            if (Libc.LastError != Libc.WouldBlock)
            {
                break;
            }

            Thread.Sleep(Pause);
        }

        // A folder that cannot be read cannot be locked; then two hosts that start within the same moment may meet.
        return -1;
    }

    /// <summary>Whoever listens answers; a file whose process has gone does not.</summary>
    private static void RemoveLeftOver(string path)
    {
        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
            throw InUse(path, OperatingSystem.IsLinux() ? Libc.PeerProcess((int)probe.Handle) : 0);
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.WouldBlock)
        {
            // Its backlog is full.
            throw InUse(path, 0);
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionRefused)
        {
            // connect(2) refuses files of other kinds in the same words.
            if (!FileIdentity.IsSocket(path))
            {
                throw new ListenException($"{path} is there already and is no socket; move it away, or choose another path");
            }

            Delete(path);
        }
        catch (SocketException) when (!Path.Exists(path))
        {
            // Nobody has been here.
        }
        catch (SocketException error)
        {
            throw new ListenException($"{path} is there already, and whether somebody listens on it cannot be told ({error.SocketErrorCode}); remove it, or choose another path");
        }
    }

    private static void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ListenException($"{path} was left behind by a process that has ended, and cannot be removed: {error.Message}; remove it, or choose another path");
        }
    }

    private static ListenException InUse(string path, int process) =>
        new($"{path} is in use{(process > 0 ? $" by {PortOwner.Describe(process)}" : "")}; stop that process or choose another path");
}
