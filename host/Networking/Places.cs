namespace PluginServer.Networking;

/// <summary>A limit that is exact: never more places are held than it allows, and who comes too late waits in order.</summary>
internal sealed class Places(int limit)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<TaskCompletionSource<Place>> _waiting = [];
    private int _limit = limit;
    private int _taken;

    /// <summary>Lowering it takes nobody's place away; raising it wakes those who wait.</summary>
    public int Limit
    {
        get => Volatile.Read(ref _limit);
        set
        {
            lock (_gate)
            {
                _limit = value;
                Grant();
            }
        }
    }

    public int Taken => Volatile.Read(ref _taken);

    /// <summary>A place at once, or null.</summary>
    public Place? TryTake()
    {
        lock (_gate)
        {
            if (_taken >= _limit || _waiting.Count > 0)
            {
                return null;
            }

            _taken++;
            return new Place(this);
        }
    }

    /// <summary>A place, once there is one.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; no place is held.</exception>
    public async ValueTask<Place> TakeAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        LinkedListNode<TaskCompletionSource<Place>> node;
        lock (_gate)
        {
            if (_taken < _limit && _waiting.Count == 0)
            {
                _taken++;
                return new Place(this);
            }

            node = _waiting.AddLast(new TaskCompletionSource<Place>(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        // Nothing captured: what captures the token would be made on every call, and most do not wait.
        await using var registration = cancellationToken.UnsafeRegister(static (state, token) => Cancel(state!, token), (this, node));
        return await node.Value.Task;
    }

    /// <summary>Whether a place that is held but not used yet may be used; if not, it is given back.</summary>
    internal bool IsWithinLimit()
    {
        lock (_gate)
        {
            if (_taken <= _limit)
            {
                return true;
            }

            _taken--;
            return false;
        }
    }

    internal void Return()
    {
        lock (_gate)
        {
            _taken--;
            Grant();
        }
    }

    private static void Cancel(object state, CancellationToken cancellationToken)
    {
        var (places, node) = ((Places, LinkedListNode<TaskCompletionSource<Place>>))state;
        places.Cancel(node, cancellationToken);
    }

    private void Cancel(LinkedListNode<TaskCompletionSource<Place>> node, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            // Granted at the same moment: the waiter has its place, and the cancellation came too late.
            if (node.List is null)
            {
                return;
            }

            _waiting.Remove(node);
        }

        node.Value.TrySetCanceled(cancellationToken);
    }

    private void Grant()
    {
        while (_taken < _limit && _waiting.First is { } next)
        {
            _waiting.RemoveFirst();
            _taken++;
            next.Value.SetResult(new Place(this));
        }
    }
}
