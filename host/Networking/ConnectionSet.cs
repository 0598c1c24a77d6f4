using System.Collections.Concurrent;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>Who is alive on one endpoint.</summary>
/// <remarks>A connection is added before it runs and removed after its socket is closed, so the set is never short of one.</remarks>
internal sealed class ConnectionSet
{
    private readonly ConcurrentDictionary<long, ServedConnection> _connections = new();
    private readonly Lock _gate = new();
    private TaskCompletionSource? _empty;
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public void Add(ServedConnection connection)
    {
        Interlocked.Increment(ref _count);
        _connections[connection.Id] = connection;
    }

    public void Remove(ServedConnection connection)
    {
        _connections.TryRemove(connection.Id, out _);
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

    /// <summary>Who is inside now.</summary>
    public IEnumerable<ServedConnection> All => _connections.Select(pair => pair.Value);

    /// <summary>Asks those who are inside now to finish: everyone, or those of one generation.</summary>
    public void Drain(PluginGeneration? generation = null)
    {
        foreach (var connection in Of(generation))
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
