using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>A listening socket in the loop: accepts without waiting, and wakes who waits when clients come.</summary>
internal sealed class EpollListening : IEpollTarget
{
    /// <summary>sockaddr_un, the largest of them; see unix(7).</summary>
    private const int AddressSize = 110;
    private readonly Lock _gate = new();
    private readonly Socket _socket;
    private readonly EpollTargets _targets;
    private readonly List<TaskCompletionSource> _waiting = [];
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

    public async ValueTask<AcceptedSocket> AcceptAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            TaskCompletionSource news;
            lock (_gate)
            {
                if (AcceptNow() is { } accepted)
                {
                    return accepted;
                }

                // Its continuation runs on the loop.
                news = new TaskCompletionSource();
                _waiting.Add(news);
            }

            await using (cancellationToken.UnsafeRegister(static state => ThreadPool.UnsafeQueueUserWorkItem(static news => news.TrySetResult(), (TaskCompletionSource)state!, preferLocal: false), news))
            {
                await news.Task;
            }

            lock (_gate)
            {
                _waiting.Remove(news);
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
        foreach (var news in TakeWaiting(ended: false))
        {
            news.TrySetResult();
        }
    }

    /// <summary>It is about to be closed: who waits is told, on the pool.</summary>
    public void End()
    {
        foreach (var news in TakeWaiting(ended: true))
        {
            ThreadPool.UnsafeQueueUserWorkItem(static news => news.TrySetResult(), news, preferLocal: false);
        }
    }

    private TaskCompletionSource[] TakeWaiting(bool ended)
    {
        lock (_gate)
        {
            if (ended && !_ended)
            {
                _ended = true;
                _targets.Remove(_descriptor);
            }

            _ready = true;
            TaskCompletionSource[] all = [.. _waiting];
            _waiting.Clear();
            return all;
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
