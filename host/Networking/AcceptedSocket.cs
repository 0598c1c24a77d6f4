using System.Net;
using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>A connected stream socket that no transport has made pipes of yet. Whoever has it disposes it, or attaches it.</summary>
internal abstract class AcceptedSocket : IDisposable
{
    /// <summary>The descriptor's number; -1 when it is gone.</summary>
    public abstract int Number { get; }

    /// <summary>Reads and writes on it return at once.</summary>
    public abstract bool IsNonBlocking { get; }

    public abstract ConnectionAddress Local { get; }

    public abstract ConnectionAddress Remote { get; }

    public EndPoint LocalEndPoint => Local.EndPoint;

    public EndPoint RemoteEndPoint => Remote.EndPoint;

    /// <summary>Of the levels and names, those of <see cref="Configuration.SocketConfig"/>.</summary>
    /// <exception cref="SocketException">It could not; the peer may have gone.</exception>
    public abstract void SetOption(SocketOptionLevel level, SocketOptionName name, int value);

    /// <summary>Gives it away as a Socket; this object holds nothing any more.</summary>
    public abstract Socket TakeSocket();

    /// <summary>Gives the descriptor away, to be closed by whoever takes it; this object holds nothing any more.</summary>
    public abstract int TakeDescriptor();

    public abstract void Dispose();
}
