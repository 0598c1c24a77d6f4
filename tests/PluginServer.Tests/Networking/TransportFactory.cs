using System.Net;
using System.Net.Sockets;
using PluginServer.Networking;

namespace PluginServer.Tests.Networking;

/// <summary>A transport under test, what its connections run over, and how to count the blocks that they hold.</summary>
public sealed class TransportFactory
{
    private static readonly (string Name, Func<TimeProvider, (Transport Transport, Func<int> Rented)> Create)[] Transports =
    [
        ("sockets", static time =>
        {
            var transport = new SocketTransport(time);
            return (transport, () => transport.Blocks.Rented);
        }),
        ("epoll", static time => Epoll(time, beforeCall: null)),

        // As long between the check that a descriptor is open and the call on it as an abort and the next accept need.
        ("epoll, wide windows", static time => Epoll(time, static () => Thread.SpinWait(1000))),
    ];

    private readonly string _name;
    private readonly Func<TimeProvider, (Transport Transport, Func<int> Rented)> _create;

    private readonly bool _wide;

    private TransportFactory(string name, bool unix, Func<TimeProvider, (Transport Transport, Func<int> Rented)> create)
    {
        _name = $"{name}, {(unix ? "unix" : "tcp")}";
        Unix = unix;
        _wide = name.EndsWith("wide windows", StringComparison.Ordinal);
        _create = create;
    }

    /// <summary>Whether the connections are those of a Unix socket; of loopback TCP otherwise.</summary>
    public bool Unix { get; }

    /// <summary>Every transport that has to keep the rules of a connection, over both kinds of stream.</summary>
    public static IEnumerable<TransportFactory> All() =>
        from transport in Transports
        where OperatingSystem.IsLinux() || transport.Name == "sockets"
        from unix in new[] { false, true }
        select new TransportFactory(transport.Name, unix, transport.Create);

    /// <summary>Those that are as fast as they can, where time and memory are measured.</summary>
    public static IEnumerable<TransportFactory> Unhindered() => All().Where(factory => !factory._wide);

    private static (Transport Transport, Func<int> Rented) Epoll(TimeProvider time, Action? beforeCall)
    {
        var transport = new EpollTransport(time) { BeforeCall = beforeCall };
        return (transport, () => transport.Blocks.Rented);
    }

    internal (Transport Transport, Func<int> Rented) Create(TimeProvider time) => _create(time);

    /// <summary>Where nobody listens yet.</summary>
    internal EndPoint NewAddress() => Unix ? new UnixDomainSocketEndPoint(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName())) : new IPEndPoint(IPAddress.Loopback, 0);

    public override string ToString() => _name;
}
