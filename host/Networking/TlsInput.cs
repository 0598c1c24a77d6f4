using System.IO.Pipelines;

namespace PluginServer.Networking;

/// <summary>What the peer has encrypted, as a PipeReader that holds no memory while it waits with nothing buffered.</summary>
/// <remarks>Its lock is <see cref="_bytes"/>, as in <see cref="TransportInput"/>; SslStream decrypts inside it, and never waits there.
/// A read that waits is one of the inner input.</remarks>
internal sealed partial class TlsInput(TlsConnection connection, TransportConnection inner, TlsSession session, ReceivedBytes bytes) : PipeReader
{
    private readonly ReceivedBytes _bytes = bytes;
    private bool _reading;
    private bool _cancelled;

    /// <summary>A result is out, and AdvanceTo has not been called.</summary>
    private bool _taken;
    private bool _examined;

    /// <summary>The peer's close_notify, or its FIN.</summary>
    private bool _fin;
    private bool _completed;

    /// <summary>The handler has returned.</summary>
    private bool _left;

    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
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
            if (TryTake(out var result))
            {
                return new ValueTask<ReadResult>(result);
            }

            _reading = true;
        }

        return ReceiveAsync(cancellationToken);
    }

    public override bool TryRead(out ReadResult result)
    {
        lock (_bytes)
        {
            if (Refusal() is { } refusal)
            {
                throw refusal;
            }

            _taken = false;
            if (TryTake(out result))
            {
                return true;
            }
        }

        while (inner.Input.TryRead(out var encrypted))
        {
            if (TryDecrypt(encrypted, out result))
            {
                return true;
            }
        }

        return false;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        var limit = connection.Limits.ReadLimit;
        lock (_bytes)
        {
            if (_left)
            {
                throw connection.Ended();
            }

            if (_completed || !_taken)
            {
                throw new InvalidOperationException(_completed ? "The reader is completed." : "AdvanceTo without a read before it.");
            }

            if (connection.End.Cause != CloseCause.None)
            {
                // Nothing is read any more, and a task that the handler left behind may still look at the bytes: the blocks are not given to others.
                return;
            }

            (var kept, _examined) = _bytes.Advance(consumed, examined);
            _taken = false;
            if (kept <= limit)
            {
                return;
            }
        }

        connection.Abort(CloseCause.ReadLimit, $"More than {limit} bytes were received and examined but not consumed (readLimit).");
    }

    public override void CancelPendingRead()
    {
        lock (_bytes)
        {
            _cancelled = true;
        }

        // A read that waits has its say in the lock, and one that does not will find the flag; the inner one may be left with a cancellation too many.
        inner.Input.CancelPendingRead();
    }

    /// <summary>The reader takes no more calls; its blocks go back. An exception means nothing here: the peer could not be told.</summary>
    public override void Complete(Exception? exception = null)
    {
        lock (_bytes)
        {
            if (_completed || _left)
            {
                return;
            }

            _completed = true;
            _bytes.Release(inUse: _taken);
            _taken = false;
        }

        inner.Input.Complete();
    }

    /// <summary>The handler has returned: ends a read that it left behind, and refuses later ones.</summary>
    public void Leave()
    {
        lock (_bytes)
        {
            _left = true;
        }

        inner.Input.CancelPendingRead();
    }

    /// <summary>The connection is closed: gives the blocks back.</summary>
    public void Release()
    {
        lock (_bytes)
        {
            // A handler that returned without AdvanceTo may have left a task behind that still looks at the bytes.
            _bytes.Release(inUse: _taken);
        }
    }

    private Exception? Refusal() =>
        _left || connection.End.Cause != CloseCause.None ? connection.Ended()
        : _completed ? new InvalidOperationException("Reading is not allowed after the reader was completed.")
        : _reading ? new InvalidOperationException("Another read is pending: Input is for one caller at a time.")
        : _taken && !_bytes.IsEmpty ? new InvalidOperationException("The last read was not followed by AdvanceTo.")
        : null;

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
