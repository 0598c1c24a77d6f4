using System.Net.Sockets;

namespace PluginServer.Networking;

/// <content>The end of what is sent: FIN, and giving the memory back.</content>
internal sealed partial class TransportOutput
{
    private Leaving? _leaving;
    private bool _finSent;

    /// <summary>Nobody else sends or receives: closing the descriptor sends FIN as well.</summary>
    private bool _finByClose;

    /// <summary>The connection has ended: so does a flush that waits.</summary>
    public void End()
    {
        lock (connection)
        {
            TryEndParked(FlushEnd.Closed);
            _leaving?.Fin.TrySetResult(false);
        }
    }

    /// <summary>The handler has returned: sends what it wrote, then FIN. False when the connection ended before.</summary>
    public Task<bool> FinishAsync()
    {
        lock (connection)
        {
            _finByClose = connection.FinByClose;
        }

        Complete();
        lock (connection)
        {
            _left = true;
        }

        return FinSentAsync();
    }

    /// <summary>The socket is closed: waits for what was under way on it, then gives the blocks back.</summary>
    public Task ReleaseAsync()
    {
        lock (connection)
        {
            if (_waiting is { } waiting)
            {
                waiting.Token = default;
            }

            if (!_sending || connection.IsEventDriven)
            {
                Release();
                return Task.CompletedTask;
            }

            _leaving ??= new Leaving();
            _leaving.Released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _leaving.Released.Task;
        }
    }

    private Task<bool> FinSentAsync()
    {
        lock (connection)
        {
            // End comes after the ending is set and needs the lock: it either finds the source or has left the ending to be seen.
            if (_finSent || connection.Ending is not null)
            {
                return Task.FromResult(_finSent);
            }

            return (_leaving ??= new Leaving()).Fin.Task;
        }
    }

    private void SendFinIfCompleted()
    {
        if (!_completed || _finSent || _error != SocketError.Success)
        {
            return;
        }

        var error = _finByClose ? SocketError.Success : connection.ShutDownSending();
        if (error == SocketError.Success)
        {
            _finSent = true;
            _leaving?.Fin.TrySetResult(true);
        }
        else
        {
            _error = error;
        }
    }

    private void Release()
    {
        _queue?.Release();
        connection.Release(input: false);
    }

    /// <summary>What only a connection that ends has.</summary>
    private sealed class Leaving
    {
        public TaskCompletionSource<bool> Fin { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Ends with the wait that is under way on a closed socket.</summary>
        public TaskCompletionSource? Released { get; set; }
    }
}
