using System.Net;
using System.Net.Sockets;
using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>One bound and listening socket; nobody else ever closes it.</summary>
internal sealed class Listener : IDisposable
{
    private readonly Socket _socket;
    private readonly Transport _transport;
    private readonly SocketFile? _file;
    private readonly TakenSocket? _taken;

    private Listener(Socket socket, Transport transport, bool? noDelay, SocketFile? file, TakenSocket? taken)
    {
        _socket = socket;
        _transport = transport;
        _file = file;
        _taken = taken;
        NoDelay = noDelay;
        LocalEndPoint = socket.LocalEndPoint!;
        Address = LocalEndPoint switch
        {
            IPEndPoint { AddressFamily: AddressFamily.InterNetwork } one when !one.Address.Equals(IPAddress.Any) =>
                new ConnectionAddress(BitConverter.ToUInt32(one.Address.GetAddressBytes()), (ushort)one.Port),
            UnixDomainSocketEndPoint path => new ConnectionAddress(path),
            _ => null,
        };
    }

    /// <summary>With the port that the system chose, where the configuration says 0.</summary>
    public EndPoint LocalEndPoint { get; }

    /// <summary>0 for a Unix socket.</summary>
    public int Port => LocalEndPoint is IPEndPoint address ? address.Port : 0;

    /// <summary>Where all its clients connect to; null where they have a choice of addresses.</summary>
    public ConnectionAddress? Address { get; }

    /// <summary>TCP_NODELAY of the sockets that it accepts, which Linux takes from the listening one; null where the system is another.</summary>
    public bool? NoDelay { get; }

    /// <summary>Binds and listens.</summary>
    /// <exception cref="ListenException">It could not; the message says why and what to do.</exception>
    public static Listener Bind(EndpointConfig config, Transport transport, SystemdSockets systemd)
    {
        if (config.Systemd is not null)
        {
            // Its options are the .socket unit's, and the next host's too; whether it has TCP_NODELAY is left to each connection.
            var taken = systemd.Take(config.Systemd);
            var listener = new Listener(taken.Socket, transport, noDelay: null, file: null, taken);
            listener.SetBacklog(config.Backlog);
            return listener;
        }

        Socket? socket = null;
        try
        {
            SocketFile? file = null;
            bool? noDelay = null;
            if (config.Unix is not null)
            {
                socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
                file = SocketFile.Bind(socket, config);
            }
            else
            {
                socket = Open(config.Address, out var address);
                if (address.AddressFamily == AddressFamily.InterNetworkV6)
                {
                    // Said either way: the system's own default differs, and "::" beside 0.0.0.0 on one port must be possible.
                    socket.DualMode = config.Address is null;
                }

                socket.Blocking = false;
                socket.Bind(new IPEndPoint(address, config.Port));
                noDelay = OperatingSystem.IsLinux() ? socket.NoDelay = config.Socket.NoDelay : null;
            }

            socket.Listen(config.Backlog);
            socket = file is null ? socket : SocketFile.Listening(socket);
            return new Listener(socket, transport, noDelay, file, taken: null);
        }
        catch (SocketException error)
        {
            socket?.Dispose();
            throw new ListenException(Explain(error.SocketErrorCode, config));
        }
        catch (ListenException)
        {
            socket?.Dispose();
            throw;
        }
    }

    public ValueTask<AcceptedSocket> AcceptAsync(CancellationToken cancellationToken) => _transport.AcceptAsync(_socket, cancellationToken);

    /// <summary>A connection that already waits in the backlog, or null.</summary>
    public AcceptedSocket? TryAccept() => _transport.TryAccept(_socket);

    /// <summary>In place: listen(2) on a listening socket only changes the length of its queue. Cannot fail: one that is broken is opened anew anyway.</summary>
    public void SetBacklog(int backlog)
    {
        try
        {
            _socket.Listen(backlog);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The next one listens with what is configured then.
        }
    }

    /// <summary>In place: gives the file of a Unix socket another owner and mode; says why not.</summary>
    public string? SetOwner(EndpointConfig config) => _file?.SetOwner(config);

    public void Dispose()
    {
        if (_taken is not null)
        {
            _transport.Leave(_socket);
            _taken.Dispose();
            return;
        }

        // First, so that whoever comes now finds nobody instead of a socket that is about to go.
        _file?.Unlink();
        _transport.Close(_socket);
    }

    private static Socket Open(IPAddress? configured, out IPAddress address)
    {
        // "*" is one IPv6 socket that takes IPv4 too; where the system has no IPv6, an IPv4 one.
        address = configured ?? (Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any);
        return new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
    }

    private static string Explain(SocketError error, EndpointConfig config) => (error, config.Unix) switch
    {
        (SocketError.AddressAlreadyInUse, null) => $"port {config.Port} is in use{(PortOwner.Find(config.Port) is { } owner ? $" by {owner}" : "")}; stop that process or choose another port",
        (SocketError.AccessDenied, null) => $"port {config.Port} needs more rights than this process has; choose a port above 1023, or grant CAP_NET_BIND_SERVICE",
        (SocketError.AccessDenied, var path) => $"the host's user may not make {path}; give it the right to write to that folder, or choose another path",
        (SocketError.AddressNotAvailable, null) => $"address {config.AddressText} is not an address of this machine; use \"*\" or one of its own",
        (SocketError.AddressFamilyNotSupported, null) => $"address {config.AddressText} is of a family that this machine does not support",
        _ => $"cannot listen on {config.ListensOn}: {error}",
    };
}

/// <summary>A socket could not be bound; the message is for the operator.</summary>
internal sealed class ListenException(string message) : Exception(message);
