using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace PluginServer.Networking;

/// <summary>Moves bytes within the process, for tests of plugins: clients come by <see cref="Connect"/>, and everything behind the accept is as with the others.</summary>
/// <remarks>An endpoint still has its listening socket, whose address its clients name; who connects to that by the kernel is never accepted.</remarks>
internal sealed class MemoryTransport(TimeProvider time) : Transport
{
    private readonly ConcurrentDictionary<EndPoint, Channel<MemoryAccepted>> _backlogs = new();

    public override string Name => "memory";

    /// <summary>The memory of all its connections.</summary>
    public BlockPool Blocks { get; } = new();

    public TimeProvider Time => time;

    /// <summary>A client's end. As with a kernel it is connected before it is accepted, and waits in the backlog until then; bytes may be sent already.</summary>
    /// <param name="server">Where an endpoint listens, or is about to.</param>
    /// <param name="from">The address that the client comes from, any.</param>
    /// <exception cref="SocketException">The endpoint has closed its socket.</exception>
    public MemorySocket Connect(EndPoint server, EndPoint from)
    {
        var (client, accepted) = MemorySocket.Pair(time);
        return _backlogs.GetOrAdd(server, static _ => New()).Writer.TryWrite(new MemoryAccepted(accepted, new ConnectionAddress(server), new ConnectionAddress(from)))
            ? client
            : throw new SocketException((int)SocketError.ConnectionRefused);
    }

    public override async ValueTask<AcceptedSocket> AcceptAsync(Socket listening, CancellationToken cancellationToken)
    {
        try
        {
            return await Backlog(listening.LocalEndPoint!).Reader.ReadAsync(cancellationToken);
        }
        catch (ChannelClosedException)
        {
            throw new SocketException((int)SocketError.OperationAborted);
        }
    }

    public override AcceptedSocket? TryAccept(Socket listening) => Backlog(listening.LocalEndPoint!).Reader.TryRead(out var accepted) ? accepted : null;

    public override void Close(Socket listening)
    {
        // Whoever closes it once more finds it closed. The backlog stays, for those who come to be refused, until somebody listens there again.
        if (!listening.SafeHandle.IsClosed && _backlogs.TryGetValue(listening.LocalEndPoint!, out var backlog))
        {
            backlog.Writer.TryComplete();
            while (backlog.Reader.TryRead(out var waiting))
            {
                waiting.Take().Close(reset: true);
            }
        }

        base.Close(listening);
    }

    public override void Dispose()
    {
    }

    public override TransportConnection Attach(AcceptedSocket accepted, ConnectionLimits limits)
    {
        var connection = new MemorySocketConnection(this, ((MemoryAccepted)accepted).Take(), limits);
        connection.Follow();
        return connection;
    }

    private static Channel<MemoryAccepted> New() => Channel.CreateUnbounded<MemoryAccepted>();

    /// <summary>Of a socket that listens.</summary>
    private Channel<MemoryAccepted> Backlog(EndPoint address) =>
        _backlogs.AddOrUpdate(address, static _ => New(), static (_, present) => present.Reader.Completion.IsCompleted ? New() : present);
}
