using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>A listening socket of systemd's, in use.</summary>
/// <remarks>Whoever accepts from it must have been cancelled before this is disposed of: nothing ends an accept on a socket that stays open.
/// <see cref="Transport.Close"/> is never for it.</remarks>
internal sealed class TakenSocket(PassedSocket passed, Socket socket) : IDisposable
{
    private int _isReturned;

    /// <summary>Not to be disposed of.</summary>
    public Socket Socket => socket;

    /// <summary>Gives it back, and leaves it open and listening; any number of times.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isReturned, 1) == 0)
        {
            passed.Return(socket);
        }
    }
}
