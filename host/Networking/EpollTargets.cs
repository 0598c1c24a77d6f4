using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>Who is registered in one epoll set, by the number of the descriptor.</summary>
internal sealed class EpollTargets(EpollSet epoll)
{
    private readonly Lock _gate = new();
    private IEpollTarget?[] _targets = new IEpollTarget?[256];
    private uint _lastGeneration;

    /// <summary>For a new target; 0 is never one.</summary>
    public uint NextGeneration()
    {
        uint next;
        do
        {
            next = Interlocked.Increment(ref _lastGeneration);
        }
        while (next == 0);
        return next;
    }

    /// <summary>Registers a descriptor once, for everything: from now on its events come.</summary>
    /// <exception cref="SocketException">It could not: out of memory, or fs.epoll.max_user_watches.</exception>
    /// <exception cref="ObjectDisposedException">The loop has ended.</exception>
    public void Add(int descriptor, IEpollTarget target, uint events)
    {
        lock (_gate)
        {
            if (descriptor >= _targets.Length)
            {
                var larger = new IEpollTarget?[Math.Max(descriptor + 1, _targets.Length * 2)];
                _targets.CopyTo(larger, 0);
                Volatile.Write(ref _targets, larger);
            }

            // Before the call: its first event may be on another thread before the call returns.
            Volatile.Write(ref _targets[descriptor], target);
        }

        if (Libc.Control(epoll, Libc.EpollAdd, descriptor, events, Data(descriptor, target)) < 0)
        {
            var error = Libc.LastError;
            Forget(descriptor);
            throw new SocketException((int)Libc.ErrorOf(error));
        }
    }

    /// <summary>Has the kernel look again: what is ready is reported once more, behind whoever is ready now.</summary>
    public void Renew(int descriptor, IEpollTarget target, uint events) =>
        TryControl(Libc.EpollModify, descriptor, events, Data(descriptor, target));

    /// <summary>Before close(2), after which the number may be another's. The kernel itself forgets at close; see epoll(7).</summary>
    public void Forget(int descriptor)
    {
        lock (_gate)
        {
            _targets[descriptor] = null;
        }
    }

    /// <summary>The descriptor lives on without the loop.</summary>
    public void Remove(int descriptor)
    {
        Forget(descriptor);
        TryControl(Libc.EpollDelete, descriptor, 0, 0);
    }

    /// <summary>Whose event it is; null when its descriptor is closed, and the number perhaps another's by now.</summary>
    public IEpollTarget? Find(ulong data)
    {
        var targets = Volatile.Read(ref _targets);
        var descriptor = DescriptorOf(data);
        return descriptor < targets.Length && Volatile.Read(ref targets[descriptor]) is { } target && target.Generation == (uint)(data >> 32) ? target : null;
    }

    public static int DescriptorOf(ulong data) => (int)(uint)data;

    private void TryControl(int operation, int descriptor, uint events, ulong data)
    {
        try
        {
            _ = Libc.Control(epoll, operation, descriptor, events, data);
        }
        catch (ObjectDisposedException)
        {
            // A handler that has outlived the host's stop: nobody is told of events any more.
        }
    }

    private static ulong Data(int descriptor, IEpollTarget target) => ((ulong)target.Generation << 32) | (uint)descriptor;
}
