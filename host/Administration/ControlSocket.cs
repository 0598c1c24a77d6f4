using System.Net.Sockets;
using System.Text;

namespace PluginServer.Administration;

/// <summary>The Unix socket by which verbs reach the host of a state directory: who may open the file may command the host.</summary>
internal static class ControlSocket
{
    /// <summary>What sockaddr_un holds, see unix(7).</summary>
    private const int LongestPath = 107;

    public static string PathIn(string stateDirectory) => Path.Combine(stateDirectory, "control.sock");

    /// <summary>Binds and listens; what an earlier host left behind makes way, since only one at a time has the state directory.</summary>
    public static Socket Listen(string path)
    {
        File.Delete(path);
        return Open(path, (socket, address) =>
        {
            socket.Bind(address);

            // Before it listens, nobody can connect.
            OwnerOnly.Set(path);
            socket.Listen();
            return Task.CompletedTask;
        }).GetAwaiter().GetResult();
    }

    public static Task<Socket> ConnectAsync(string path, CancellationToken cancellationToken) =>
        Open(path, (socket, address) => socket.ConnectAsync(address, cancellationToken).AsTask());

    private static async Task<Socket> Open(string path, Func<Socket, UnixDomainSocketEndPoint, Task> use)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        DirectoryInfo? detour = null;
        try
        {
            if (Encoding.UTF8.GetByteCount(path) > LongestPath)
            {
                // The limit is on the path that is passed, not on the place: a short way to the same folder serves both sides,
                // and unlike a socket elsewhere it needs no file that says where, nor a folder for temporary files that both see.
                detour = Directory.CreateTempSubdirectory("plugin-server-");
                var link = Path.Combine(detour.FullName, "s");
                Directory.CreateSymbolicLink(link, Path.GetDirectoryName(path)!);
                path = Path.Combine(link, Path.GetFileName(path));
            }

            await use(socket, new UnixDomainSocketEndPoint(path));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
        finally
        {
            detour?.Delete(recursive: true);
        }
    }
}
