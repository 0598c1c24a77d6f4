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
        ("epoll", static time =>
        {
            var transport = new EpollTransport(time);
            return (transport, () => transport.Blocks.Rented);
        }),
    ];

    private readonly string _name;
    private readonly Func<TimeProvider, (Transport Transport, Func<int> Rented)> _create;

    private TransportFactory(string name, bool unix, Func<TimeProvider, (Transport Transport, Func<int> Rented)> create)
    {
        _name = $"{name}, {(unix ? "unix" : "tcp")}";
        Unix = unix;
        _create = create;
    }

    /// <summary>Whether the connections are those of a Unix socket; of loopback TCP otherwise.</summary>
    public bool Unix { get; }

    /// <summary>Every transport that has to keep the rules of a connection, over both kinds of stream.</summary>
    public static IEnumerable<TransportFactory> All() =>
        from transport in Transports
        where transport.Name != "epoll" || OperatingSystem.IsLinux()
        from unix in new[] { false, true }
        select new TransportFactory(transport.Name, unix, transport.Create);

    internal (Transport Transport, Func<int> Rented) Create(TimeProvider time) => _create(time);

    /// <summary>Where nobody listens yet.</summary>
    internal EndPoint NewAddress() => Unix ? new UnixDomainSocketEndPoint(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName())) : new IPEndPoint(IPAddress.Loopback, 0);

    public override string ToString() => _name;
}
