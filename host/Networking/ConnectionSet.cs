using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>Who is alive on one endpoint.</summary>
/// <remarks>A connection is added before it runs and removed after its socket is closed, so the set is never short of one. It has a slot
/// for as long as it is inside, so looking through them needs no lock: it finds whoever is inside all the time, and perhaps who comes or goes.</remarks>
internal sealed class ConnectionSet
{
    private readonly Lock _gate = new();
    private readonly Stack<int> _free = new();
    private ServedConnection?[] _slots = new ServedConnection?[16];
    private TaskCompletionSource? _empty;
    private int _used;
    private int _count;

    public int Count => Volatile.Read(ref _count);

    /// <summary>Who is inside now.</summary>
    public IEnumerable<ServedConnection> All
    {
        get
        {
            // Whoever adds one and then asks what it missed, and whoever sets that and then looks here: one of them sees the other.
            Interlocked.MemoryBarrier();
            var slots = Volatile.Read(ref _slots);
            for (var slot = 0; slot < slots.Length; slot++)
            {
                if (Volatile.Read(ref slots[slot]) is { } connection)
                {
                    yield return connection;
                }
            }
        }
    }

    public void Add(ServedConnection connection)
    {
        lock (_gate)
        {
            if (!_free.TryPop(out var slot))
            {
                slot = _used++;
            }

            if (slot == _slots.Length)
            {
                var larger = new ServedConnection?[slot * 2];
                _slots.CopyTo(larger, 0);
                Volatile.Write(ref _slots, larger);
            }

            connection.Slot = slot;
            Volatile.Write(ref _slots[slot], connection);
        }

        Interlocked.Increment(ref _count);
    }

    public void Remove(ServedConnection connection)
    {
        lock (_gate)
        {
            _slots[connection.Slot] = null;
            _free.Push(connection.Slot);
        }

        if (Interlocked.Decrement(ref _count) == 0)
        {
            lock (_gate)
            {
                // Somebody may have come since; who leaves last then looks again.
                if (Count == 0)
                {
                    _empty?.TrySetResult();
                    _empty = null;
                }
            }
        }
    }

    /// <summary>Asks those who are inside now to finish: everyone, or those of one generation, but for those that another one takes over.</summary>
    public void Drain(PluginGeneration? generation = null)
    {
        foreach (var connection in Of(generation).Where(connection => generation is null || !connection.IsAskedToMove))
        {
            connection.Drain();
        }
    }

    /// <summary>Cuts those who are inside now; says how many.</summary>
    public int Cut(string reason, PluginGeneration? generation = null) => Of(generation).Count(connection => connection.Cut(reason));

    /// <summary>Ends when nobody is inside. Meaningful once nobody is added any more.</summary>
    public Task WhenEmpty()
    {
        lock (_gate)
        {
            return Count == 0 ? Task.CompletedTask : (_empty ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    private IEnumerable<ServedConnection> Of(PluginGeneration? generation) =>
        generation is null ? All : All.Where(connection => connection.Generation == generation);
}
