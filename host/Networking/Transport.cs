using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>How bytes move: accepts from a listening socket, and turns an accepted one into pipes.</summary>
internal abstract class Transport : IDisposable
{
    /// <summary>The name in status: "sockets" or "epoll"; "memory" in tests of plugins.</summary>
    public abstract string Name { get; }

    /// <summary>Waits for the next connection of a listening socket.</summary>
    /// <exception cref="SocketException">Accept failed; <c>AcceptFault</c> says what that means.</exception>
    public abstract ValueTask<AcceptedSocket> AcceptAsync(Socket listening, CancellationToken cancellationToken);

    /// <summary>A connection that already waits in the backlog, or null when there is none.</summary>
    /// <exception cref="SocketException">Accept failed.</exception>
    public abstract AcceptedSocket? TryAccept(Socket listening);

    /// <summary>Closes a listening socket; accepts that wait on it fail.</summary>
    public virtual void Close(Socket listening) => listening.Dispose();

    /// <summary>Turns away from a listening socket that stays open: accepts that wait on it fail, or have been cancelled before.</summary>
    public virtual void Leave(Socket listening)
    {
    }

    /// <summary>Ends the threads that it has of its own. To be called when no connection is open any more but those whose handlers never return.</summary>
    public abstract void Dispose();

    /// <summary>Takes over a connected stream socket, TCP or Unix, from whatever source; the transport closes it from then on.</summary>
    /// <exception cref="SocketException">It could not, and the socket is still the caller's.</exception>
    public abstract TransportConnection Attach(AcceptedSocket socket, ConnectionLimits limits);
}
