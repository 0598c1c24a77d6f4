using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>Placeholder until the transport is merged.</summary>
internal sealed class SocketTransport(TimeProvider time) : Transport
{
    public override string Name => "sockets" + time;
    public override ValueTask<Socket> AcceptAsync(Socket listening, CancellationToken cancellationToken) => listening.AcceptAsync(cancellationToken);
    public override Socket? TryAccept(Socket listening) => null;
    public override TransportConnection Attach(Socket socket, int readLimit) => throw new NotSupportedException();
}
