using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>A descriptor that was accepted as non-blocking, without an object of System.Net.Sockets.</summary>
internal sealed unsafe class EpollAccepted(int descriptor, ConnectionAddress remote) : AcceptedSocket
{
    private const int AddressSize = 110;
    private int _descriptor = descriptor;

    public override int Number => _descriptor;

    public override bool IsNonBlocking => true;

    public override ConnectionAddress Local
    {
        get
        {
            var address = stackalloc byte[AddressSize];
            var length = AddressSize;
            return Libc.LocalAddress(_descriptor, address, &length) == 0 ? SocketAddresses.Read(address, length) : new ConnectionAddress(null);
        }
    }

    public override ConnectionAddress Remote => remote;

    public override void SetOption(SocketOptionLevel level, SocketOptionName name, int value)
    {
        // socket(7), tcp(7): the runtime's numbers of levels and names are those of Windows.
        var (native, option) = (level, name) switch
        {
            (SocketOptionLevel.Tcp, SocketOptionName.NoDelay) => (Libc.TcpLevel, 1),
            (SocketOptionLevel.Socket, SocketOptionName.KeepAlive) => (Libc.SocketLevel, 9),
            (SocketOptionLevel.Socket, SocketOptionName.SendBuffer) => (Libc.SocketLevel, 7),
            (SocketOptionLevel.Socket, SocketOptionName.ReceiveBuffer) => (Libc.SocketLevel, 8),
            _ => throw new NotSupportedException($"{level}, {name}"),
        };
        if (Libc.SetOption(_descriptor, native, option, value) < 0)
        {
            throw new SocketException((int)Libc.ErrorOf(Libc.LastError));
        }
    }

    public override Socket TakeSocket() => new(new SafeSocketHandle(TakeDescriptor(), ownsHandle: true));

    public override int TakeDescriptor() => Interlocked.Exchange(ref _descriptor, -1);

    public override void Dispose()
    {
        if (TakeDescriptor() is >= 0 and var mine)
        {
            _ = Libc.Close(mine);
        }
    }
}
