using System.Collections.Concurrent;

namespace PluginServer.Networking;

/// <summary>Handlers that have to be told that their peer is gone, one after the other: when thousands leave in one instant, whoever
/// comes or has something to say takes turns with them instead of waiting for all of them.</summary>
internal sealed class Departures : IThreadPoolWorkItem
{
    private readonly ConcurrentQueue<TransportInput> _waiting = new();
    private int _scheduled;

    public void Add(TransportInput input)
    {
        _waiting.Enqueue(input);
        Schedule();
    }

    void IThreadPoolWorkItem.Execute()
    {
        // The next one first: a handler may take its time in here, and nobody waits for it.
        var found = _waiting.TryDequeue(out var input);
        Volatile.Write(ref _scheduled, 0);
        Interlocked.MemoryBarrier();
        if (!_waiting.IsEmpty)
        {
            Schedule();
        }

        if (found)
        {
            input!.Resume();
        }
    }

    private void Schedule()
    {
        if (Interlocked.Exchange(ref _scheduled, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }
}
