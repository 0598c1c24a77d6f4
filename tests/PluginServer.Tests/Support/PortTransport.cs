using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using PluginServer.Networking;

namespace PluginServer.Tests.Support;

/// <summary>A <see cref="FaultyTransport"/> for each port, all over one real transport: what is planned for an endpoint is no other's.</summary>
internal sealed class PortTransport(Transport real, TimeProvider time) : Transport
{
    private readonly ConcurrentDictionary<int, FaultyTransport> _ports = new();
    private int _accepting;

    public override string Name => real.Name;

    /// <summary>How many accepts are under way.</summary>
    public int Accepting => Volatile.Read(ref _accepting);

    public IEnumerable<FaultyTransport> All => _ports.Values;

    public FaultyTransport Of(int port) => _ports.GetOrAdd(port, _ => new FaultyTransport(real, time));

    public override async ValueTask<AcceptedSocket> AcceptAsync(Socket listening, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _accepting);
        try
        {
            return await Of(listening).AcceptAsync(listening, cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _accepting);
        }
    }

    public override void Close(Socket listening) => real.Close(listening);

    public override AcceptedSocket? TryAccept(Socket listening) => Of(listening).TryAccept(listening);

    public override void Dispose() => real.Dispose();

    public override TransportConnection Attach(AcceptedSocket socket, ConnectionLimits limits) => Of(Port(socket.LocalEndPoint)).Attach(socket, limits);

    private FaultyTransport Of(Socket listening) => Of(Port(listening.LocalEndPoint));

    private static int Port(EndPoint? address) => ((IPEndPoint)address!).Port;
}
