using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>The transports of one host: each is made once, and shared by the endpoints that ask for it.</summary>
internal sealed class Transports
{
    private readonly Func<TransportKind, Transport> _of;

    private Transports(Func<TransportKind, Transport> of) => _of = of;

    /// <summary>Those that this system has.</summary>
    public static Transports OfSystem(TimeProvider time)
    {
        var sockets = new SocketTransport(time);
        var epoll = new Lazy<EpollTransport>(() => new EpollTransport(time));

        // "auto" becomes epoll on Linux once the whole test suite has run on it.
        return new Transports(kind => kind == TransportKind.Epoll ? epoll.Value : sockets);
    }

    /// <summary>One for everything.</summary>
    public static Transports Of(Transport only) => new(_ => only);

    public Transport For(TransportKind kind) => _of(kind);
}
