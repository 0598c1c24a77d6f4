using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>How bytes move: accepts from a listening socket, and turns an accepted one into pipes.</summary>
internal abstract class Transport
{
    /// <summary>The name in status: "sockets" or "epoll".</summary>
    public abstract string Name { get; }

    /// <summary>Waits for the next connection of a listening socket.</summary>
    /// <exception cref="SocketException">Accept failed; <c>AcceptFault</c> says what that means.</exception>
    public abstract ValueTask<Socket> AcceptAsync(Socket listening, CancellationToken cancellationToken);

    /// <summary>A connection that already waits in the backlog, or null when there is none.</summary>
    /// <exception cref="SocketException">Accept failed.</exception>
    public abstract Socket? TryAccept(Socket listening);

    /// <summary>Takes over a connected stream socket, from whatever source; the transport closes it from then on.</summary>
    public abstract TransportConnection Attach(Socket socket, ConnectionLimits limits);
}
