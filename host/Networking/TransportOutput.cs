using System.IO.Pipelines;
using System.Net.Sockets;
using System.Threading.Tasks.Sources;
using PluginServer.Diagnostics;

namespace PluginServer.Networking;

/// <summary>What a socket sends, as a PipeWriter that sends on the caller's thread and queues only what the kernel did not take.</summary>
internal sealed partial class TransportOutput(PipedConnection connection, BlockPool pool) : PipeWriter, IValueTaskSource<FlushResult>
{
    private readonly Lock _gate = new();
    private readonly SendQueue _queue = new(pool);
    private ManualResetValueTaskSourceCore<bool> _completion;

    /// <summary>The rest of the source of a WriteAsync that waits: not copied, its caller is waiting.</summary>
    private ReadOnlyMemory<byte> _rest;
    private bool _parked;

    /// <summary>A flush has ended, and its result is not yet taken: the core must not be used again before.</summary>
    private bool _claimed;
    private FlushEnd _end;
    private CancellationToken _token;
    private CancellationTokenRegistration _registration;
    private bool _cancelled;
    private bool _completed;

    /// <summary>The handler has returned.</summary>
    private bool _left;

    private enum FlushEnd
    {
        Done,
        Cancelled,
        TokenFired,
        Closed,
    }

    public override bool CanGetUnflushedBytes => true;

    /// <summary>Nothing waits: no byte, no flush.</summary>
    public bool IsAtRest
    {
        get
        {
            lock (_gate)
            {
                return _queue.Flushed + _queue.Unflushed == 0 && !_parked && !_claimed;
            }
        }
    }

    public override long UnflushedBytes
    {
        get
        {
            lock (_gate)
            {
                return _queue.Unflushed;
            }
        }
    }

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        lock (_gate)
        {
            ThrowUnlessOpen();
            return _queue.Lend(sizeHint);
        }
    }

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        lock (_gate)
        {
            ThrowUnlessOpen();
            _queue.Advance(bytes);
        }
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => WriteAsync(default, cancellationToken);

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        SocketError failure;
        lock (_gate)
        {
            if (Refusal() is { } refusal)
            {
                return ValueTask.FromException<FlushResult>(refusal);
            }

            if (cancellationToken.IsCancellationRequested)
            {
                return ValueTask.FromCanceled<FlushResult>(cancellationToken);
            }

            _queue.Flush();
            _rest = source.IsEmpty ? default : source;
            SendAll();
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

                var flush = Park(cancellationToken);
                if (_parked && Fits)
                {
                    // Only its turn is over: the handler goes on elsewhere, and whoever else waits for this thread comes first.
                    ThreadPool.UnsafeQueueUserWorkItem(static output => output.EndTurn(), this, preferLocal: false);
                }

                return flush;
            }

            _rest = default;
        }

        return ValueTask.FromException<FlushResult>(connection.Lost(failure));
    }

    public override void CancelPendingFlush()
    {
        lock (_gate)
        {
            if (_parked)
            {
                CopyRest();
                EndParked(FlushEnd.Cancelled);
            }
            else
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
        lock (_gate)
        {
            if (_completed || _left)
            {
                return;
            }

            if (exception is null)
            {
                _completed = true;
                _queue.FlushLast();
                SendAll();
            }

            failure = _error;
        }

        if (exception is not null)
        {
            // Before it counts as completed: whoever sends what still waits would end it with a FIN, as if it were whole.
            connection.Abort(CloseCause.Aborted, "The handler completed its output with an error: " + FaultText.MessageOf(exception));
            lock (_gate)
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

    /// <summary>The connection has ended: so does a flush that waits.</summary>
    public void End()
    {
        lock (_gate)
        {
            if (_parked)
            {
                _rest = default;
                EndParked(FlushEnd.Closed);
            }

            _fin?.TrySetResult(false);
        }
    }

    FlushResult IValueTaskSource<FlushResult>.GetResult(short token)
    {
        lock (_gate)
        {
            // Reset at once: the core would otherwise refer to the handler's continuation until the next flush parks.
            _completion.GetResult(token);
            _completion.Reset();
            var by = _token;
            _token = default;
            _claimed = false;
            return _end switch
            {
                FlushEnd.TokenFired => throw new OperationCanceledException(by),
                FlushEnd.Closed => throw (connection.Ending ?? Ending.Orderly).ToException(),
                var end => new FlushResult(isCanceled: end == FlushEnd.Cancelled, isCompleted: false),
            };
        }
    }

    ValueTaskSourceStatus IValueTaskSource<FlushResult>.GetStatus(short token) => _completion.GetStatus(token);

    void IValueTaskSource<FlushResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _completion.OnCompleted(continuation, state, token, flags);

    private Exception? Refusal() =>
        _left || connection.Ending is not null ? (connection.Ending ?? Ending.Orderly).ToException() : Misuse();

    private InvalidOperationException? Misuse() =>
        _completed ? new InvalidOperationException("Writing is not allowed after the writer was completed.")
        : _parked || _claimed ? new InvalidOperationException("A flush is pending: Output is for one caller at a time.")
        : null;

    private void ThrowUnlessOpen()
    {
        // After an abort a handler may go on composing its answer; the flush will tell.
        if ((_left ? Refusal() : Misuse()) is { } refusal)
        {
            throw refusal;
        }
    }

    private ValueTask<FlushResult> Park(CancellationToken cancellationToken)
    {
        _completion.Reset();
        if (cancellationToken.CanBeCanceled)
        {
            _registration = cancellationToken.UnsafeRegister(static (output, token) => ((TransportOutput)output!).OnToken(token), this);

            // A callback of another thread waits for the lock and finds the flush parked; one of this thread came too early.
            if (cancellationToken.IsCancellationRequested)
            {
                _registration.Unregister();
                CopyRest();
                return ValueTask.FromCanceled<FlushResult>(cancellationToken);
            }
        }

        _token = cancellationToken;
        _parked = true;
        return new ValueTask<FlushResult>(this, _completion.Version);
    }

    private void OnToken(CancellationToken token)
    {
        lock (_gate)
        {
            // A callback that comes late may find another flush; that one is meant too when it has the same token.
            if (_parked && _token == token)
            {
                CopyRest();
                EndParked(FlushEnd.TokenFired);
            }
        }
    }

    private void EndTurn()
    {
        lock (_gate)
        {
            if (_parked && Fits)
            {
                CopyRest();
                EndParked(FlushEnd.Done);
            }
        }
    }

    private void Claim(FlushEnd end, bool inline)
    {
        _parked = false;
        _claimed = true;
        _end = end;

        // Not Dispose, which waits for a callback under way, and that may wait for the lock.
        _registration.Unregister();
        _registration = default;
        _completion.RunContinuationsAsynchronously = !inline;
    }

    // Under the lock, so the continuation has to run elsewhere.
    private void EndParked(FlushEnd end)
    {
        Claim(end, inline: false);
        _completion.SetResult(true);
    }
}
