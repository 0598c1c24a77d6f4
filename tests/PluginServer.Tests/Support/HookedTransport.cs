using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using PluginServer.Networking;

namespace PluginServer.Tests.Support;

/// <summary>The real transport, with the listening sockets in a test's reach and a say before each accept.</summary>
internal sealed class HookedTransport(TimeProvider time) : Transport
{
    private readonly Transport _real = DefaultTransport.Create(time);
    private readonly ConcurrentDictionary<int, Socket> _listening = new();
    private int _waiting;

    /// <summary>Called with the port before each accept; what it throws is what the acceptor gets.</summary>
    public Action<int> OnAccept { get; set; } = _ => { };

    /// <summary>Called with the port of the listening socket after each accept, before the connection is handed over; when it throws, the connection is lost.</summary>
    public Action<int> OnAccepted { get; set; } = _ => { };

    /// <summary>How many accepts are under way.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    public override string Name => "hooked";

    /// <summary>The listening socket that was last accepted from on a port.</summary>
    public Socket Listening(int port) => _listening[port];

    public override async ValueTask<AcceptedSocket> AcceptAsync(Socket listening, CancellationToken cancellationToken)
    {
        // Asked first: a socket that was shut down may have no port any more.
        var port = _listening.FirstOrDefault(known => known.Value == listening).Key is var known and > 0 ? known : ((IPEndPoint)listening.LocalEndPoint!).Port;
        _listening[port] = listening;
        OnAccept(port);
        Interlocked.Increment(ref _waiting);
        try
        {
            var socket = await _real.AcceptAsync(listening, cancellationToken);
            try
            {
                OnAccepted(port);
                return socket;
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    public override AcceptedSocket? TryAccept(Socket listening) => _real.TryAccept(listening);

    public override void Close(Socket listening) => _real.Close(listening);

    public override void Dispose() => _real.Dispose();

    public override TransportConnection Attach(AcceptedSocket socket, ConnectionLimits limits) => _real.Attach(socket, limits);
}
