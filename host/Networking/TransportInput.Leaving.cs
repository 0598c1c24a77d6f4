using System.Net.Sockets;

namespace PluginServer.Networking;

/// <content>After the handler: refusing it, discarding what still comes, and giving the memory back.</content>
internal sealed partial class TransportInput
{
    private Leaving? _leaving;

    /// <summary>The connection has ended: so does a read that waits, and the discarding of what comes.</summary>
    public void End()
    {
        lock (_bytes)
        {
            EndParked();
            _leaving?.Discarded.TrySetResult();
        }
    }

    /// <summary>The handler has returned: ends a read that it left behind, and refuses later ones.</summary>
    public void Leave()
    {
        lock (_bytes)
        {
            _left = true;
            EndParked();
        }
    }

    /// <summary>Reads and discards until the peer's FIN, a failure, the linger limits, or an abort. A reset is no failure
    /// of the connection any more: the peer may have what it wanted.</summary>
    public async Task DiscardAsync(TimeProvider time)
    {
        Leaving leaving;
        lock (_bytes)
        {
            // Nothing can arrive after a FIN, nor after an abort. End comes after the ending is set and needs the lock: it either finds
            // the source or has left the ending to be seen.
            if (_fin || _error != SocketError.Success || connection.Ending is not null)
            {
                return;
            }

            leaving = _leaving = new Leaving();
            Discard(leaving);
        }

        using var timer = time.CreateTimer(static leaving => ((Leaving)leaving!).Discarded.TrySetResult(), leaving, TransportConnection.LingerTime, Timeout.InfiniteTimeSpan);
        await leaving.Discarded.Task.ConfigureAwait(false);
    }

    /// <summary>The socket is closed: waits for what was under way on it, then gives the blocks back.</summary>
    public Task ReleaseAsync()
    {
        lock (_bytes)
        {
            // A handler that returned without AdvanceTo may have left a task behind that still looks at the bytes.
            _bytes.Release(inUse: _taken);
            _token = default;
            if (!_waiting || connection.IsEventDriven)
            {
                connection.Release(input: true);
                return Task.CompletedTask;
            }

            _leaving ??= new Leaving();
            _leaving.Released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _leaving.Released.Task;
        }
    }

    private void Discard(Leaving leaving)
    {
        _bytes.Release(inUse: _taken);
        _taken = false;
        var scratch = connection.Blocks.Rent();
        while (!_waiting && !_fin && _error == SocketError.Success && leaving.Left > 0)
        {
            var count = ReceiveInto(scratch.Bytes.Span[..(int)Math.Min(scratch.Bytes.Length, leaving.Left)]);
            leaving.Left -= Math.Max(count, 0);
            _fin = count == 0;
            if (count < 0 && _error == SocketError.Success)
            {
                StartWait();
            }
        }

        connection.Blocks.Return(scratch);
        if (!_waiting)
        {
            leaving.Discarded.TrySetResult();
        }
    }

    private void OnArrivalWhile(Leaving leaving)
    {
        if (leaving.Released is { } released)
        {
            connection.Release(input: true);
            released.SetResult();
        }
        else if (!leaving.Discarded.Task.IsCompleted)
        {
            Discard(leaving);
        }
    }

    /// <summary>What only a connection that ends has.</summary>
    private sealed class Leaving
    {
        public TaskCompletionSource Discarded { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>So much may still be discarded.</summary>
        public long Left { get; set; } = TransportConnection.LingerBytes;

        /// <summary>Ends with the wait that is under way on a closed socket.</summary>
        public TaskCompletionSource? Released { get; set; }
    }
}
