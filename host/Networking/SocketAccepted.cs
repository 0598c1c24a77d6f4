using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>One that System.Net.Sockets has accepted or connected.</summary>
internal sealed class SocketAccepted(Socket socket) : AcceptedSocket
{
    public override int Number => (int)socket.SafeHandle.DangerousGetHandle();

    public override bool IsNonBlocking => false;

    public override ConnectionAddress Local => new(socket.LocalEndPoint);

    public override ConnectionAddress Remote => new(socket.RemoteEndPoint);

    public override void SetOption(SocketOptionLevel level, SocketOptionName name, int value) => socket.SetSocketOption(level, name, value);

    public override Socket TakeSocket() => socket;

    public override int TakeDescriptor()
    {
        var number = Number;
        socket.SafeHandle.SetHandleAsInvalid();
        socket.Dispose();
        return number;
    }

    public override void Dispose() => socket.Dispose();
}
