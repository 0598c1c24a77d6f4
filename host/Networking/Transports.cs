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
        var best = OperatingSystem.IsLinux() ? new EpollTransport(time) : (Transport)sockets;
        return new Transports(kind => kind == TransportKind.Sockets ? sockets : best);
    }

    /// <summary>One for everything.</summary>
    public static Transports Of(Transport only) => new(_ => only);

    public Transport For(TransportKind kind) => _of(kind);
}
