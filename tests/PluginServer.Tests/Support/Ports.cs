using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace PluginServer.Tests.Support;

/// <summary>What the system knows of a port: other tests of this process have sockets too, so descriptors are told apart by it.</summary>
internal static class Ports
{
    private static readonly TcpState[] Over = [TcpState.TimeWait, TcpState.FinWait1, TcpState.FinWait2, TcpState.LastAck, TcpState.Closing, TcpState.Closed];

    /// <summary>A port that nobody has now, for what cannot be told to take any.</summary>
    public static int Free()
    {
        using var probe = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = true };
        probe.Bind(new IPEndPoint(IPAddress.IPv6Any, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }

    /// <summary>Sockets on the server's side that somebody in a process still holds, or that wait in a backlog.</summary>
    public static int Open(int port) => IPGlobalProperties.GetIPGlobalProperties().GetActiveTcpConnections()
        .Count(connection => connection.LocalEndPoint.Port == port && !Over.Contains(connection.State));

    /// <summary>Nobody listens there, and it can be bound.</summary>
    public static void AssertFree(IPEndPoint address)
    {
        using var probe = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        Assert.That(() => probe.Bind(address), Throws.Nothing);
        Assert.That(() => probe.Listen(), Throws.Nothing);
    }
}
