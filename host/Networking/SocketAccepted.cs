using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>One that System.Net.Sockets has accepted or connected.</summary>
internal sealed class SocketAccepted(Socket socket) : AcceptedSocket
{
    private bool _given;

    public override int Number => (int)socket.SafeHandle.DangerousGetHandle();

    public override bool IsNonBlocking => false;

    public override ConnectionAddress Local => new(socket.LocalEndPoint);

    public override ConnectionAddress Remote => new(socket.RemoteEndPoint);

    public override void SetOption(SocketOptionLevel level, SocketOptionName name, int value) => socket.SetSocketOption(level, name, value);

    public override Socket TakeSocket()
    {
        _given = true;
        return socket;
    }

    public override int TakeDescriptor()
    {
        var number = Number;
        _given = true;

        // Not disposed from here on: that would wait for the handle to close what is no longer its own, and shut it down meanwhile.
        socket.SafeHandle.SetHandleAsInvalid();
        return number;
    }

    public override void Dispose()
    {
        if (!_given)
        {
            socket.Dispose();
        }
    }
}
