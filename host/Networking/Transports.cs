using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>The transports of one host: each is made once, and shared by the endpoints that ask for it.</summary>
internal sealed class Transports : IDisposable
{
    private readonly Transport _sockets;
    private readonly Transport _epoll;

    private Transports(Transport sockets, Transport epoll) => (_sockets, _epoll) = (sockets, epoll);

    /// <summary>Those that this system has.</summary>
    public static Transports OfSystem(TimeProvider time) => new(new SocketTransport(time), new EpollTransport(time));

    /// <summary>One for everything.</summary>
    public static Transports Of(Transport only) => new(only, only);

    public Transport For(TransportKind kind) => kind == TransportKind.Sockets || !OperatingSystem.IsLinux() ? _sockets : _epoll;

    /// <summary>Has those that profit from it, and that are used, prepare for clients, beside whatever else happens.</summary>
    public void WarmUp(IEnumerable<TransportKind> used)
    {
        if (used.Any(kind => For(kind) == _epoll) && _epoll is EpollTransport epoll)
        {
            EpollWarmUp.Begin(epoll);
        }
    }

    public void Dispose()
    {
        _sockets.Dispose();
        _epoll.Dispose();
    }
}
