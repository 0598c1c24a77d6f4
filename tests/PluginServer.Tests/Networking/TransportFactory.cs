using PluginServer.Networking;

namespace PluginServer.Tests.Networking;

/// <summary>A transport under test, and how to count the blocks that its connections hold.</summary>
public sealed class TransportFactory
{
    private readonly string _name;
    private readonly Func<TimeProvider, (Transport Transport, Func<int> Rented)> _create;

    private TransportFactory(string name, Func<TimeProvider, (Transport Transport, Func<int> Rented)> create)
    {
        _name = name;
        _create = create;
    }

    /// <summary>Every transport that has to keep the rules of a connection.</summary>
    public static IEnumerable<TransportFactory> All()
    {
        yield return new TransportFactory("sockets", static time =>
        {
            var transport = new SocketTransport(time);
            return (transport, () => transport.Blocks.Rented);
        });
        if (OperatingSystem.IsLinux())
        {
            yield return new TransportFactory("epoll", static time =>
            {
                var transport = new EpollTransport(time);
                return (transport, () => transport.Blocks.Rented);
            });
        }
    }

    internal (Transport Transport, Func<int> Rented) Create(TimeProvider time) => _create(time);

    public override string ToString() => _name;
}
