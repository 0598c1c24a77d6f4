using System.IO.Pipelines;
using System.Net.Sockets;
using System.Threading.Tasks.Sources;

namespace PluginServer.Networking;

/// <summary>What a socket receives, as a PipeReader that holds no memory while it waits with nothing buffered.</summary>
internal sealed partial class TransportInput(PipedConnection connection, ConnectionLimits limits, BlockPool pool) : PipeReader, IValueTaskSource<ReadResult>
{
    /// <summary>A block with less room than this is not worth a read of its own.</summary>
    private const int SmallRoom = 4096;

    private readonly Lock _gate = new();
    private readonly BlockPool _pool = pool;
    private readonly ReceivedBytes _bytes = new(pool);
    private ManualResetValueTaskSourceCore<bool> _completion;
    private ReadState _read;
    private CancellationToken _token;
    private CancellationTokenRegistration _registration;
    private bool _tokenFired;
    private bool _cancelled;

    /// <summary>A result is out, and AdvanceTo has not been called.</summary>
    private bool _taken;
    private bool _examined;
    private bool _fin;
    private bool _completed;

    /// <summary>The handler has returned.</summary>
    private bool _left;
    private long _received;

    private enum ReadState
    {
        Idle,
        Parked,

        /// <summary>Ended, and its result not yet taken: the core must not be used again before.</summary>
        Claimed,
    }

    /// <summary>Nothing waits: no byte, no read.</summary>
    public bool IsAtRest
    {
        get
        {
            lock (_gate)
            {
                return _bytes.IsEmpty && _read == ReadState.Idle;
            }
        }
    }

    public long Received => Volatile.Read(ref _received);

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        SocketError failure;
        lock (_gate)
        {
            if (Refusal() is { } refusal)
            {
                return ValueTask.FromException<ReadResult>(refusal);
            }

            if (cancellationToken.IsCancellationRequested)
            {
                return ValueTask.FromCanceled<ReadResult>(cancellationToken);
            }

            // An empty result needs no AdvanceTo: the next read takes its place.
            _taken = false;
            var taken = TryTake(out var result);
            var yields = !taken && _ready && !connection.TakeTurn();
            if (taken || (!yields && Receive() && TryTake(out result)))
            {
                return new ValueTask<ReadResult>(result);
            }

            failure = _error;
            if (failure == SocketError.Success)
            {
                var read = Park(cancellationToken);
                if (yields)
                {
                    connection.Requeue();
                }

                return read;
            }
        }

        return ValueTask.FromException<ReadResult>(connection.Lost(failure));
    }

    public override bool TryRead(out ReadResult result)
    {
        SocketError failure;
        lock (_gate)
        {
            if (Refusal() is { } refusal)
            {
                throw refusal;
            }

            // While a wait is pending nothing has arrived.
            _taken = false;
            if (TryTake(out result) || (!_waiting && ReceiveNow() && TryTake(out result)))
            {
                return true;
            }

            failure = _error;
        }

        return failure == SocketError.Success ? false : throw connection.Lost(failure);
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        bool overLimit;
        SocketError failure;
        lock (_gate)
        {
            if (_left)
            {
                throw Left();
            }

            if (_completed || !_taken)
            {
                throw new InvalidOperationException(_completed ? "The reader is completed." : "AdvanceTo without a read before it.");
            }

            if (connection.Ending is not null)
            {
                // Nothing is read any more, and a task that the handler left behind may still look at the bytes: the blocks are not given to others.
                return;
            }

            var (kept, allExamined) = _bytes.Advance(consumed, examined);
            _taken = false;
            _examined = allExamined;
            overLimit = kept > limits.ReadLimit;
            WatchIfIdle();
            failure = _error;
        }

        if (overLimit)
        {
            connection.Abort(CloseCause.ReadLimit, $"More than {limits.ReadLimit} bytes were received and examined but not consumed (readLimit).");
        }
        else if (failure != SocketError.Success)
        {
            connection.Lost(failure);
        }
    }

    public override void CancelPendingRead()
    {
        lock (_gate)
        {
            _cancelled = true;
            EndParked();
        }
    }

    /// <summary>The reader takes no more calls; its blocks go back. An exception means nothing here: the peer could not be told.</summary>
    public override void Complete(Exception? exception = null)
    {
        SocketError failure;
        lock (_gate)
        {
            if (_completed || _left)
            {
                return;
            }

            _completed = true;
            EndParked();
            _bytes.Release(inUse: _taken);
            _taken = false;
            WatchIfIdle();
            failure = _error;
        }

        if (failure != SocketError.Success)
        {
            connection.Lost(failure);
        }
    }

    /// <summary>The connection has ended: so does a read that waits, and the discarding of what comes.</summary>
    public void End()
    {
        lock (_gate)
        {
            EndParked();
            _discarded?.TrySetResult();
        }
    }

    /// <summary>The handler has returned: ends a read that it left behind, and refuses later ones.</summary>
    public void Leave()
    {
        lock (_gate)
        {
            _left = true;
            EndParked();
        }
    }

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token)
    {
        lock (_gate)
        {
            // Reset at once: the core would otherwise refer to the handler's continuation until the next read parks.
            _completion.GetResult(token);
            _completion.Reset();
            var (fired, by) = (_tokenFired, _token);
            _tokenFired = false;
            _token = default;
            _read = ReadState.Idle;
            if (fired)
            {
                throw new OperationCanceledException(by);
            }

            // Any other end has set what the next read would be told.
            return Refusal() is { } refusal ? throw refusal : TryTake(out var result) ? result : throw new InvalidOperationException("The read ended without a result.");
        }
    }

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _completion.GetStatus(token);

    void IValueTaskSource<ReadResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _completion.OnCompleted(continuation, state, token, flags);

    private ConnectionClosedException Left() => (connection.Ending ?? Ending.Orderly).ToException();

    private Exception? Refusal()
    {
        if (_left || connection.Ending is not null)
        {
            return Left();
        }

        if (_completed)
        {
            return new InvalidOperationException("Reading is not allowed after the reader was completed.");
        }

        if (_read != ReadState.Idle)
        {
            return new InvalidOperationException("Another read is pending: Input is for one caller at a time.");
        }

        return _taken && !_bytes.IsEmpty ? new InvalidOperationException("The last read was not followed by AdvanceTo.") : null;
    }

    private bool TryTake(out ReadResult result)
    {
        if (!_cancelled && !_fin && (_bytes.IsEmpty || _examined))
        {
            result = default;
            return false;
        }

        result = new ReadResult(_bytes.Sequence, _cancelled, _fin);
        _cancelled = false;
        _taken = true;
        return true;
    }

    private ValueTask<ReadResult> Park(CancellationToken cancellationToken)
    {
        _completion.Reset();
        if (cancellationToken.CanBeCanceled)
        {
            _registration = cancellationToken.UnsafeRegister(static (input, token) => ((TransportInput)input!).OnToken(token), this);

            // A callback of another thread waits for the lock and finds the read parked; one of this thread came too early.
            if (cancellationToken.IsCancellationRequested)
            {
                _registration.Unregister();
                return ValueTask.FromCanceled<ReadResult>(cancellationToken);
            }
        }

        _bytes.Shrink();
        _token = cancellationToken;
        _read = ReadState.Parked;
        return new ValueTask<ReadResult>(this, _completion.Version);
    }

    private void OnToken(CancellationToken token)
    {
        lock (_gate)
        {
            // A callback that comes late may find another read; that one is meant too when it has the same token.
            if (_read == ReadState.Parked && _token == token)
            {
                _tokenFired = true;
                EndParked();
            }
        }
    }

    private void Claim(bool inline)
    {
        _read = ReadState.Claimed;

        // Not Dispose, which waits for a callback under way, and that may wait for the lock.
        _registration.Unregister();
        _registration = default;
        _completion.RunContinuationsAsynchronously = !inline;
    }

    private void EndParked()
    {
        if (_read == ReadState.Parked)
        {
            Claim(inline: false);
            _completion.SetResult(true);
        }
    }
}
