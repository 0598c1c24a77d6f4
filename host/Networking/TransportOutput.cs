using System.IO.Pipelines;
using System.Net.Sockets;
using PluginServer.Diagnostics;

namespace PluginServer.Networking;

/// <summary>What a socket sends, as a PipeWriter that sends on the caller's thread and queues only what the kernel did not take.</summary>
/// <remarks>Its lock is the connection: this object is the plugin's too, and a lock that plugins can take is none. What a handler that only
/// writes to a socket with room never needs, the queue and the wait, is made when it is needed.</remarks>
internal sealed partial class TransportOutput(PipedConnection connection) : PipeWriter
{
    private SendQueue? _queue;
    private bool _cancelled;
    private bool _completed;

    /// <summary>The handler has returned.</summary>
    private bool _left;

    public override bool CanGetUnflushedBytes => true;

    /// <summary>Nothing waits: no byte, no flush.</summary>
    public bool IsAtRest
    {
        get
        {
            lock (connection)
            {
                return Queued == 0 && _queue is null or { Unflushed: 0 } && !IsWaiting;
            }
        }
    }

    public override long UnflushedBytes
    {
        get
        {
            lock (connection)
            {
                return _queue?.Unflushed ?? 0;
            }
        }
    }

    private SendQueue Queue => _queue ??= new SendQueue(connection.Blocks);

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        lock (connection)
        {
            ThrowUnlessOpen();
            return Queue.Lend(sizeHint);
        }
    }

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        lock (connection)
        {
            ThrowUnlessOpen();
            Queue.Advance(bytes);
        }
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => WriteAsync(default, cancellationToken);

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        SocketError failure;
        lock (connection)
        {
            if (Refusal() is { } refusal)
            {
                return ValueTask.FromException<FlushResult>(refusal);
            }

            if (cancellationToken.IsCancellationRequested)
            {
                return ValueTask.FromCanceled<FlushResult>(cancellationToken);
            }

            _queue?.Flush();
            SendAll(source);
            DeliverWaiting();
            failure = _error;
            if (failure == SocketError.Success)
            {
                if (_cancelled || (Fits && connection.TakeTurn()))
                {
                    CopyRest();
                    var result = new FlushResult(_cancelled, isCompleted: false);
                    _cancelled = false;
                    return new ValueTask<FlushResult>(result);
                }

                return Park(cancellationToken);
            }

            DropRest();
        }

        return ValueTask.FromException<FlushResult>(connection.Lost(failure));
    }

    public override void CancelPendingFlush()
    {
        lock (connection)
        {
            if (!TryEndParked(FlushEnd.Cancelled))
            {
                _cancelled = true;
            }
        }
    }

    /// <summary>Sends what was written, then FIN, without waiting for either. With an exception nothing can be told to the
    /// peer but by a reset: the connection is aborted, with the exception's message as the reason.</summary>
    public override void Complete(Exception? exception = null)
    {
        SocketError failure;
        lock (connection)
        {
            if (_completed || _left)
            {
                return;
            }

            if (exception is null)
            {
                _completed = true;
                _queue?.FlushLast();
                SendAll();
            }

            failure = _error;
        }

        if (exception is not null)
        {
            // Before it counts as completed: whoever sends what still waits would end it with a FIN, as if it were whole.
            connection.Abort(CloseCause.Aborted, "The handler completed its output with an error: " + FaultText.MessageOf(exception));
            lock (connection)
            {
                _completed = true;
            }
        }
        else if (failure != SocketError.Success)
        {
            connection.Lost(failure);
        }
    }

    /// <summary>As <see cref="Complete"/>, and waits until FIN is sent.</summary>
    public override ValueTask CompleteAsync(Exception? exception = null)
    {
        Complete(exception);
        var sent = FinSentAsync();
        return exception is not null || sent is { IsCompleted: true, Result: true } ? default : WaitAsync();

        async ValueTask WaitAsync()
        {
            if (!await sent)
            {
                throw (connection.Ending ?? Ending.Orderly).ToException();
            }
        }
    }

    private Exception? Refusal() =>
        _left || connection.Ending is not null ? (connection.Ending ?? Ending.Orderly).ToException() : Misuse();

    private InvalidOperationException? Misuse() =>
        _completed ? new InvalidOperationException("Writing is not allowed after the writer was completed.")
        : IsWaiting ? new InvalidOperationException("A flush is pending: Output is for one caller at a time.")
        : null;

    private void ThrowUnlessOpen()
    {
        // After an abort a handler may go on composing its answer; the flush will tell.
        if ((_left ? Refusal() : Misuse()) is { } refusal)
        {
            throw refusal;
        }
    }
}
