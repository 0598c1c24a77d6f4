using PluginServer.Configuration;
using PluginServer.Networking;

namespace PluginServer.Tests.Support;

/// <summary>What <c>"transport": "auto"</c> is on this system; PLUGINSERVER_TRANSPORT=sockets runs the suite on the other one.</summary>
internal static class DefaultTransport
{
    public static Transport Create(TimeProvider time) =>
        Transports.OfSystem(time, new SystemdSockets([])).For(Environment.GetEnvironmentVariable("PLUGINSERVER_TRANSPORT") == "sockets" ? TransportKind.Sockets : TransportKind.Auto);

    /// <summary>How many blocks its connections hold.</summary>
    public static int RentedBlocks(this Transport transport) => transport switch
    {
        EpollTransport epoll => epoll.Blocks.Rented,
        SocketTransport sockets => sockets.Blocks.Rented,
        MemoryTransport memory => memory.Blocks.Rented,
        _ => throw new ArgumentException(transport.Name, nameof(transport)),
    };
}
