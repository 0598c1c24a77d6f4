using System.Net;
using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>A transport under test, what its connections run over, and how to count the blocks that they hold.</summary>
public sealed class TransportFactory
{
    private const string InMemory = "memory";

    private static readonly (string Name, bool Wide, Func<TimeProvider, Transport> Create)[] Transports =
    [
        ("sockets", false, static time => new SocketTransport(time)),
        ("epoll", false, static time => new EpollTransport(time)),

        // As long between the check that a descriptor is open and the call on it as an abort and the next accept need.
        ("epoll, wide windows", true, static time => new EpollTransport(time) { BeforeCall = static () => Thread.SpinWait(1000) }),
        (InMemory, false, static time => new MemoryTransport(time)),
    ];

    private readonly string _name;
    private readonly bool _wide;
    private readonly Func<TimeProvider, Transport> _create;

    private TransportFactory(string name, bool wide, bool unix, bool tls, Func<TimeProvider, Transport> create)
    {
        _name = $"{name}{(name == InMemory ? "" : unix ? ", unix" : ", tcp")}{(tls ? ", tls" : "")}";
        _wide = wide;
        _create = create;
        Unix = unix;
        Tls = tls;
    }

    /// <summary>Whether the connections are those of a Unix socket; of loopback TCP otherwise.</summary>
    public bool Unix { get; }

    /// <summary>Whether they are encrypted.</summary>
    public bool Tls { get; }

    /// <summary>Every transport that has to keep the rules of a connection, over both kinds of stream, and encrypted.</summary>
    public static IEnumerable<TransportFactory> All() =>
        from transport in Transports
        where OperatingSystem.IsLinux() || transport.Name is "sockets" or InMemory
        from kind in new[] { (Unix: false, Tls: false), (Unix: true, Tls: false), (Unix: false, Tls: true) }

        // Without a kernel there is one kind of stream.
        where transport.Name != InMemory || !kind.Unix
        select new TransportFactory(transport.Name, transport.Wide, kind.Unix, kind.Tls, transport.Create);

    /// <summary>Those that are as fast as they can, where time and memory are measured.</summary>
    public static IEnumerable<TransportFactory> Unhindered() => All().Where(factory => !factory._wide);

    /// <summary>Those whose connections are encrypted. Without memory: these tests are of what lies above a transport, with clients that look at each record of their sockets.</summary>
    public static IEnumerable<TransportFactory> Encrypted() => OfKernel().Where(factory => factory.Tls && !factory._wide);

    /// <summary>Those that have descriptors.</summary>
    public static IEnumerable<TransportFactory> OfKernel() => All().Where(factory => !factory._name.StartsWith(InMemory, StringComparison.Ordinal));

    internal (Transport Transport, Func<int> Rented) Create(TimeProvider time)
    {
        var transport = _create(time);
        return (transport, transport.RentedBlocks);
    }

    /// <summary>Where nobody listens yet.</summary>
    internal EndPoint NewAddress() => Unix ? new UnixDomainSocketEndPoint(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName())) : new IPEndPoint(IPAddress.Loopback, 0);

    public override string ToString() => _name;
}
