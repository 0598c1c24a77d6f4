using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace PluginServer.Networking;

/// <summary>Moves bytes on an epoll loop of its own, where handlers run: the transport for Linux.</summary>
internal sealed class EpollTransport(TimeProvider time) : Transport
{
    private readonly ConditionalWeakTable<Socket, EpollListening> _listening = [];
    private (ulong State, long Handled) _seen;
    private readonly Lazy<EpollLoop> _loop = new(static () => new EpollLoop { Blocked = static target => (target as EpollConnection)?.Blocked() });

    public override string Name => "epoll";

    /// <summary>The memory of all its connections.</summary>
    public BlockPool Blocks { get; } = new();

    public TimeProvider Time => time;

    /// <summary>Its threads start with the first use.</summary>
    public EpollLoop Loop => _loop.Value;

    /// <summary>Whether its loop has gone on since this was last asked, or has nothing to do.</summary>
    public bool Moves
    {
        get
        {
            if (!_loop.IsValueCreated)
            {
                return true;
            }

            var (before, now) = (_seen, Loop.Progress);
            _seen = now;
            return Loop.IsWaiting || now != before;
        }
    }

    /// <summary>For tests: comes between the check that a descriptor is open and the call on it, to widen the window.</summary>
    public Action? BeforeCall { get; set; }

    public override ValueTask<AcceptedSocket> AcceptAsync(Socket listening, CancellationToken cancellationToken) => On(listening).AcceptAsync(cancellationToken);

    public override AcceptedSocket? TryAccept(Socket listening) => On(listening).TryAccept();

    public override void Close(Socket listening)
    {
        Leave(listening);
        listening.Dispose();
    }

    public override void Leave(Socket listening)
    {
        // Forgotten, too: the same socket may be listened on once more.
        if (_listening.TryGetValue(listening, out var known) && _listening.Remove(listening))
        {
            known.End();
        }
    }

    public override void Dispose()
    {
        if (_loop.IsValueCreated)
        {
            Loop.Dispose();
        }
    }

    public override TransportConnection Attach(AcceptedSocket socket, ConnectionLimits limits)
    {
        // The number before it is taken: what fails until then leaves the socket with the caller.
        var connection = new EpollConnection(this, socket.Number, limits);
        if (!socket.IsNonBlocking)
        {
            Libc.SetNonBlocking(connection.Descriptor);
        }

        connection.Register();
        socket.TakeDescriptor();
        return connection;
    }

    private EpollListening On(Socket listening)
    {
        // Of two acceptors that come at once the table would make two, and each takes the descriptor's events for itself.
        lock (_listening)
        {
            if (!_listening.TryGetValue(listening, out var known))
            {
                known = new EpollListening(listening, Loop.Targets);
                _listening.Add(listening, known);
            }

            return known;
        }
    }
}
