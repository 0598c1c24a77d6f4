using System.IO.Pipelines;

namespace PluginServer.Networking;

/// <summary>What is sent encrypted, as a PipeWriter that encrypts on the caller's thread as much as the inner output has room for.</summary>
/// <remarks>Its lock is <see cref="_plain"/>. A flush that waits is one of the inner output.</remarks>
internal sealed partial class TlsOutput(TlsConnection connection, TransportConnection inner, TlsSession session, SendQueue plain) : PipeWriter
{
    /// <summary>What was written and not encrypted yet.</summary>
    private readonly SendQueue _plain = plain;

    /// <summary>The rest of the source of a WriteAsync that waits: not copied, its caller is waiting.</summary>
    private ReadOnlyMemory<byte> _rest;
    private bool _flushing;
    private bool _completed;

    /// <summary>The handler has returned.</summary>
    private bool _left;

    public override bool CanGetUnflushedBytes => true;

    public override long UnflushedBytes
    {
        get
        {
            lock (_plain)
            {
                return _plain.Unflushed;
            }
        }
    }

    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        lock (_plain)
        {
            ThrowUnlessOpen();
            return _plain.Lend(sizeHint);
        }
    }

    public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    public override void Advance(int bytes)
    {
        lock (_plain)
        {
            ThrowUnlessOpen();
            _plain.Advance(bytes);
        }
    }

    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) => WriteAsync(default, cancellationToken);

    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        lock (_plain)
        {
            if (Refusal() is { } refusal)
            {
                return ValueTask.FromException<FlushResult>(refusal);
            }

            if (cancellationToken.IsCancellationRequested)
            {
                return ValueTask.FromCanceled<FlushResult>(cancellationToken);
            }

            _plain.Flush();
            _rest = source;
            try
            {
                Encrypt(all: false);
                DeliverWaiting();
                var flush = inner.Output.FlushAsync(cancellationToken);
                if (flush.IsCompletedSuccessfully && IsAllEncrypted)
                {
                    return flush;
                }

                _flushing = true;
                return FlushAsync(flush, cancellationToken);
            }
            catch (ConnectionClosedException ended)
            {
                _rest = default;
                return ValueTask.FromException<FlushResult>(ended);
            }
        }
    }

    public override void CancelPendingFlush() => inner.Output.CancelPendingFlush();

    /// <summary>Sends what was written, then close_notify and FIN, without waiting for them. With an exception the connection is aborted.</summary>
    public override void Complete(Exception? exception = null)
    {
        Seal(exception);
        inner.Output.Complete(exception);
    }

    /// <summary>As <see cref="Complete"/>, and waits until FIN is sent.</summary>
    public override ValueTask CompleteAsync(Exception? exception = null)
    {
        Seal(exception);
        return inner.Output.CompleteAsync(exception);
    }

    /// <summary>The handler has returned: what it wrote is encrypted, and later calls are refused.</summary>
    public void Leave()
    {
        Seal(null);
        lock (_plain)
        {
            _left = true;
        }
    }

    /// <summary>The connection is closed: gives the blocks back.</summary>
    public void Release()
    {
        lock (_plain)
        {
            _rest = default;
            _plain.Release();
        }
    }

    private Exception? Refusal() => _left || connection.End.Cause != CloseCause.None ? connection.Ended() : Misuse();

    private InvalidOperationException? Misuse() =>
        _completed ? new InvalidOperationException("Writing is not allowed after the writer was completed.")
        : _flushing ? new InvalidOperationException("A flush is pending: Output is for one caller at a time.")
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
