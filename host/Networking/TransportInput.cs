using System.IO.Pipelines;
using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>What a socket receives, as a PipeReader that holds no memory while it waits with nothing buffered.</summary>
/// <remarks>Its lock is <see cref="_bytes"/>: this object is the plugin's too, and a lock that plugins can take is none. Thousands wait, so no object more than needed.</remarks>
internal sealed partial class TransportInput(PipedConnection connection, ReceivedBytes bytes) : PipeReader
{
    private readonly ReceivedBytes _bytes = bytes;
    private long _received;
    private bool _cancelled;

    /// <summary>A result is out, and AdvanceTo has not been called.</summary>
    private bool _taken;
    private bool _examined;
    private bool _fin;
    private bool _completed;

    /// <summary>The handler has returned.</summary>
    private bool _left;

    /// <summary>Nothing waits: no byte, no read.</summary>
    public bool IsAtRest
    {
        get
        {
            lock (_bytes)
            {
                return _bytes.IsEmpty && _read == ReadState.Idle;
            }
        }
    }

    public long Received => Volatile.Read(ref _received);

    /// <summary>The peer's FIN was received: it is behind everything.</summary>
    public bool HasFin => Volatile.Read(ref _fin);

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        SocketError failure;
        lock (_bytes)
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
        lock (_bytes)
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
        lock (_bytes)
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
            overLimit = kept > connection.Limits.ReadLimit;
            WatchIfIdle();
            failure = _error;
        }

        if (overLimit)
        {
            connection.Abort(CloseCause.ReadLimit, $"More than {connection.Limits.ReadLimit} bytes were received and examined but not consumed (readLimit).");
        }
        else if (failure != SocketError.Success)
        {
            connection.Lost(failure);
        }
    }

    public override void CancelPendingRead()
    {
        lock (_bytes)
        {
            _cancelled = true;
            EndParked();
        }
    }

    /// <summary>The reader takes no more calls; its blocks go back. An exception means nothing here: the peer could not be told.</summary>
    public override void Complete(Exception? exception = null)
    {
        SocketError failure;
        lock (_bytes)
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
}
