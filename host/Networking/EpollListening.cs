using System.Net.Sockets;
using System.Runtime.CompilerServices;

namespace PluginServer.Networking;

/// <summary>A listening socket in the loop: accepts without waiting, and wakes who waits when clients come.</summary>
internal sealed class EpollListening : IEpollTarget
{
    /// <summary>sockaddr_un, the largest of them; see unix(7).</summary>
    private const int AddressSize = 110;
    private readonly Lock _gate = new();
    private readonly Socket _socket;
    private readonly EpollTargets _targets;
    private readonly List<EpollNews> _waiting = [];
    private readonly Stack<EpollNews> _spare = new();
    private readonly int _descriptor;
    private bool _ready = true;
    private bool _ended;

    public EpollListening(Socket socket, EpollTargets targets)
    {
        _socket = socket;
        _targets = targets;
        _descriptor = (int)socket.SafeHandle.DangerousGetHandle();
        Libc.SetNonBlocking(_descriptor);
        Generation = targets.NextGeneration();
        targets.Add(_descriptor, this, Libc.EpollIn | Libc.EpollEdge);
    }

    public uint Generation { get; }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<AcceptedSocket> AcceptAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            EpollNews news;
            lock (_gate)
            {
                if (AcceptNow() is { } accepted)
                {
                    return accepted;
                }

                // Used again: a client that comes alone would otherwise leave more behind than it needs itself.
                news = _spare.TryPop(out var spare) ? spare : new EpollNews(this);
                _waiting.Add(news);
            }

            await using (cancellationToken.UnsafeRegister(static news => ThreadPool.UnsafeQueueUserWorkItem(static news => news.Stop(), (EpollNews)news!, preferLocal: false), news))
            {
                await news.ComesAsync();
            }

            lock (_gate)
            {
                _spare.Push(news);
            }
        }
    }

    public AcceptedSocket? TryAccept()
    {
        lock (_gate)
        {
            // Asked although no event has come: it may be on its way.
            _ready = true;
            return AcceptNow();
        }
    }

    public void Ready(uint events)
    {
        // No more than wait now: the continuation of one, which runs inside Tell, mostly waits again.
        for (var left = Waiting(ended: false); left > 0 && TakeFirst() is { } news; left--)
        {
            news.Tell();
        }
    }

    /// <summary>It is about to be closed: who waits is told, on the pool.</summary>
    public void End()
    {
        for (var left = Waiting(ended: true); left > 0 && TakeFirst() is { } news; left--)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static news => news.Tell(), news, preferLocal: false);
        }
    }

    /// <summary>Its wait is cancelled. A cancellation that comes late may find another wait of the same object, which then looks, and waits again.</summary>
    public void Stop(EpollNews news)
    {
        bool mine;
        lock (_gate)
        {
            mine = _waiting.Remove(news);
        }

        if (mine)
        {
            news.Tell();
        }
    }

    private int Waiting(bool ended)
    {
        lock (_gate)
        {
            if (ended && !_ended)
            {
                _ended = true;
                _targets.Remove(_descriptor);
            }

            _ready = true;
            return _waiting.Count;
        }
    }

    // Whoever takes one out of the list is who tells it.
    private EpollNews? TakeFirst()
    {
        lock (_gate)
        {
            if (_waiting.Count == 0)
            {
                return null;
            }

            var first = _waiting[0];
            _waiting.RemoveAt(0);
            return first;
        }
    }

    private unsafe EpollAccepted? AcceptNow()
    {
        if (_ended)
        {
            throw new SocketException((int)SocketError.OperationAborted);
        }

        if (!_ready)
        {
            return null;
        }

        var held = false;
        try
        {
            _socket.SafeHandle.DangerousAddRef(ref held);
            var address = stackalloc byte[AddressSize];
            var length = AddressSize;
            var accepted = Libc.Accept(_descriptor, address, &length);
            if (accepted >= 0)
            {
                return new EpollAccepted(accepted, SocketAddresses.Read(address, length));
            }

            var error = Libc.LastError;
            if (error == Libc.WouldBlock)
            {
                _ready = false;
                return null;
            }

            throw new SocketException((int)Libc.ErrorOf(error));
        }
        catch (ObjectDisposedException)
        {
            throw new SocketException((int)SocketError.OperationAborted);
        }
        finally
        {
            if (held)
            {
                _socket.SafeHandle.DangerousRelease();
            }
        }
    }
}
