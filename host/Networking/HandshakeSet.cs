namespace PluginServer.Networking;

/// <summary>Who is between accept and handler on one endpoint.</summary>
internal sealed class HandshakeSet
{
    private readonly Lock _gate = new();
    private readonly HashSet<Handshake> _inside = [];
    private TaskCompletionSource? _empty;

    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _inside.Count;
            }
        }
    }

    public void Add(Handshake handshake)
    {
        lock (_gate)
        {
            _inside.Add(handshake);
        }
    }

    /// <summary>It has come to a handler, among the connections of the endpoint by now, or to nothing.</summary>
    public void Remove(Handshake handshake)
    {
        lock (_gate)
        {
            _inside.Remove(handshake);
            if (_inside.Count == 0)
            {
                _empty?.TrySetResult();
                _empty = null;
            }
        }
    }

    public void Retime(TimeSpan timeout) => ForEach(handshake => handshake.Retime(timeout));

    /// <summary>Ends those that are there now.</summary>
    public void Cut() => ForEach(static handshake => handshake.Cut());

    /// <summary>Ends when nobody is there. Meaningful once nobody is added any more.</summary>
    public Task WhenEmpty()
    {
        lock (_gate)
        {
            return _inside.Count == 0 ? Task.CompletedTask : (_empty ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    private void ForEach(Action<Handshake> action)
    {
        Handshake[] inside;
        lock (_gate)
        {
            inside = [.. _inside];
        }

        Array.ForEach(inside, action);
    }
}
