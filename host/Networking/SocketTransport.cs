using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>Moves bytes with System.Net.Sockets: the transport for every platform.</summary>
internal sealed class SocketTransport(TimeProvider time) : Transport
{
    public override string Name => "sockets";

    /// <summary>The memory of all its connections.</summary>
    public BlockPool Blocks { get; } = new();

    public Departures Departures { get; } = new();

    public TimeProvider Time => time;

    public override async ValueTask<AcceptedSocket> AcceptAsync(Socket listening, CancellationToken cancellationToken) =>
        new SocketAccepted(await listening.AcceptAsync(cancellationToken));

    public override AcceptedSocket? TryAccept(Socket listening)
    {
        // Asked first: an exception for every empty backlog would cost more than the call.
        if (!listening.Poll(0, SelectMode.SelectRead))
        {
            return null;
        }

        // The client may have gone since; a blocking accept would then wait for the next one.
        listening.Blocking = false;
        try
        {
            return new SocketAccepted(listening.Accept());
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.WouldBlock)
        {
            return null;
        }
    }

    public override void Dispose()
    {
    }

    public override TransportConnection Attach(AcceptedSocket accepted, ConnectionLimits limits)
    {
        var socket = accepted.TakeSocket();
        socket.Blocking = false;
        return new SocketConnection(this, socket, limits);
    }
}
