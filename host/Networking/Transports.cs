using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>The transports of one host: each is made once, and shared by the endpoints that ask for it.</summary>
internal sealed class Transports : IDisposable
{
    private readonly Transport _sockets;
    private readonly Transport _epoll;

    private Transports(Transport sockets, Transport epoll, SystemdSockets systemd) => (_sockets, _epoll, Systemd) = (sockets, epoll, systemd);

    /// <summary>What they listen on where systemd has opened it.</summary>
    public SystemdSockets Systemd { get; }

    /// <summary>Whether those that have threads of their own have gone on since this was last asked, or have nothing to do.</summary>
    public bool Move => _epoll is not EpollTransport epoll || epoll.Moves;

    /// <summary>Those that this system has.</summary>
    public static Transports OfSystem(TimeProvider time, SystemdSockets systemd) => new(new SocketTransport(time), new EpollTransport(time), systemd);

    /// <summary>One for everything.</summary>
    public static Transports Of(Transport only, SystemdSockets? systemd = null) => new(only, only, systemd ?? new SystemdSockets([]));

    public Transport For(TransportKind kind) => kind == TransportKind.Sockets || !OperatingSystem.IsLinux() ? _sockets : _epoll;

    /// <summary>Has those that profit from it, and that are used, prepare for clients, beside whatever else happens.</summary>
    /// <param name="used">By the endpoints.</param>
    /// <param name="folder">Absolute path of one that the host has to itself.</param>
    /// <param name="isBusy">Whether clients are there.</param>
    public void WarmUp(IEnumerable<TransportKind> used, string folder, Func<bool> isBusy)
    {
        if (used.Any(kind => For(kind) == _epoll) && _epoll is EpollTransport epoll)
        {
            EpollWarmUp.Begin(epoll, folder, isBusy);
        }
    }

    public void Dispose()
    {
        _sockets.Dispose();
        _epoll.Dispose();
    }
}
