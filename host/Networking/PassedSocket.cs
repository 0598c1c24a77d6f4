using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>One descriptor that systemd has passed, which stays open for the life of the process: an endpoint that is removed by an edit and
/// comes again finds it, and its clients wait in the backlog meanwhile.</summary>
/// <remarks>
/// <para>The manager has the same open file description, and the next host gets it. So nothing here may shut it down, nor set what clients of
/// the next one would inherit. <see cref="Socket.Dispose()"/> does both to a socket that owns its descriptor: while another thread is in a call
/// on it, it disconnects it (connect(2) with AF_UNSPEC), and with that a listening socket listens no more; while an accept waits, it sets
/// SO_LINGER to 0, which those accepted later have from it, and are reset where they should be closed. Seen with strace in .NET 10.0.12. Hence
/// none of these owns its descriptor.</para>
/// <para>Nor is a number ever closed and used again: the runtime does not take it out of its epoll set, which knows a registration by number and
/// description, so the set would refuse it the next time. What is given back is kept for the next one who takes it.</para>
/// </remarks>
/// <param name="name">FileDescriptorName=, by default the .socket unit's name.</param>
/// <param name="descriptor">Its number.</param>
/// <param name="lowest">For tests: the lowest number that another one for it may have.</param>
internal sealed class PassedSocket(string name, int descriptor, int lowest = 0)
{
    private const int Stream = 1;
    private const int Unix = 1;
    private const int Internet = 2;
    private const int Internet6 = 10;
    private readonly Lock _gate = new();
    private readonly Stack<Socket> _idle = new();

    public string Name => name;

    /// <summary>A socket on it, for whoever disposes of what this returns. Several at once are possible: an endpoint that is removed still
    /// serves its backlog when another one comes.</summary>
    /// <exception cref="ListenException">Nobody can accept TCP or Unix connections from it, or the process may open no more files.</exception>
    public TakenSocket Take()
    {
        if (Flaw() is { } flaw)
        {
            throw new ListenException(flaw);
        }

        lock (_gate)
        {
            return new TakenSocket(this, _idle.TryPop(out var idle) ? idle : Open());
        }
    }

    /// <summary>Keeps it for the next one; by <see cref="TakenSocket"/> alone, which does so once.</summary>
    public void Return(Socket socket)
    {
        lock (_gate)
        {
            // One that somebody has disposed of all the same has cost a descriptor, and nobody anything else.
            if (!socket.SafeHandle.IsClosed)
            {
                _idle.Push(socket);
            }
        }
    }

    private Socket Open()
    {
        try
        {
            return new Socket(new SafeSocketHandle(Libc.Duplicate(descriptor, lowest), ownsHandle: false));
        }
        catch (SocketException error)
        {
            throw new ListenException($"the socket '{name}' that systemd passed cannot be used: {error.SocketErrorCode}");
        }
    }

    private string? Flaw()
    {
        if (!Libc.TryReadOption(descriptor, Libc.OptionType, out var type) || !Libc.TryReadOption(descriptor, Libc.OptionAccepting, out var accepting) || !Libc.TryReadOption(descriptor, Libc.OptionDomain, out var domain))
        {
            return Libc.ErrorOf(Libc.LastError) == SocketError.NotSocket
                ? Wrong("something else than a socket", "a ListenStream= in its .socket unit")
                : $"the socket '{name}' that systemd passed cannot be used: descriptor {descriptor} is not open any more";
        }

        return type != Stream ? Wrong($"a {KindOf(type)} socket", "ListenStream= in its .socket unit")
            : accepting == 0 ? Wrong("a socket that does not listen: with Accept=yes systemd accepts by itself and passes connections", "Accept=no in its .socket unit")
            : domain is not (Unix or Internet or Internet6) ? Wrong($"a listening socket of address family {domain}", "a port, an address or a path in ListenStream=")
            : null;
    }

    private string Wrong(string found, string remedy) => $"systemd passed '{name}' as {found}; an endpoint needs a stream socket that listens, TCP or Unix: {remedy}";

    private static string KindOf(int type) => type switch
    {
        2 => "datagram",
        3 => "raw",
        5 => "sequential packet",
        _ => $"type {type}",
    };
}
