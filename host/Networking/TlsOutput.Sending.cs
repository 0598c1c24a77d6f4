using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace PluginServer.Networking;

/// <content>The inner side: encrypting, and waiting for room.</content>
internal sealed partial class TlsOutput
{
    /// <summary>So much is encrypted in one go: two records, and one system call.</summary>
    private const int Piece = 2 * TlsRecord.Largest;

    /// <summary>A source no longer than this goes into one record with what was written before it: a copy is cheaper than a record.</summary>
    private const int SmallSource = 4096;

    private bool IsAllEncrypted => _plain.Flushed == 0 && _rest.IsEmpty;

    /// <summary>Goes on encrypting whenever there is room, until nothing is left and the last flush has ended.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<FlushResult> FlushAsync(ValueTask<FlushResult> flush, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                var result = await flush.ConfigureAwait(false);
                lock (_plain)
                {
                    if (result.IsCanceled || IsAllEncrypted)
                    {
                        return result;
                    }

                    // Inside the lock: whoever completes the output does it before, and has encrypted the rest, or after.
                    Encrypt(all: false);
                    DeliverWaiting();
                    flush = inner.Output.FlushAsync(cancellationToken);
                }
            }
        }
        finally
        {
            EndFlush();
        }
    }

    /// <summary>The caller no longer waits: the rest of its source becomes ours, so that the stream has no hole.</summary>
    private void EndFlush()
    {
        lock (_plain)
        {
            if (connection.End.Cause == CloseCause.None)
            {
                Encrypt(all: true);
                DeliverWaiting();
            }

            _rest = default;
            _flushing = false;
        }
    }

    /// <summary>Encrypts and posts what waits: until a flush would wait, or all of it.</summary>
    private void Encrypt(bool all)
    {
        try
        {
            if (_plain.Flushed > 0 && _rest.Length is > 0 and <= SmallSource)
            {
                _plain.Append(_rest.Span);
                _rest = default;
            }

            var left = all ? long.MaxValue : TransportConnection.FlushThreshold;
            for (var room = true; !IsAllEncrypted && left > 0 && (all || room);)
            {
                left -= EncryptNext(out room);
            }
        }
        catch (Exception error) when (error is not ConnectionClosedException)
        {
            // A plugin's own memory may refuse, too.
            throw connection.Lost("What was written could not be encrypted", error);
        }
    }

    private int EncryptNext(out bool room)
    {
        var queued = _plain.Next;
        var piece = queued.IsEmpty ? _rest : queued;
        piece = piece[..Math.Min(piece.Length, Piece)];
        room = session.Encrypt(piece);
        if (queued.IsEmpty)
        {
            // Nothing refers to the source once all of it is encrypted.
            _rest = piece.Length == _rest.Length ? default : _rest[piece.Length..];
        }
        else
        {
            _plain.Sent(piece.Length);
        }

        return piece.Length;
    }

    /// <summary>Nothing comes after what is written: encrypts it, and close_notify behind it. With an exception neither is sent, as the
    /// connection is aborted before the output counts as completed.</summary>
    private void Seal(Exception? exception)
    {
        if (exception is not null)
        {
            inner.Output.Complete(exception);
        }

        lock (_plain)
        {
            if (_completed || _left)
            {
                return;
            }

            _completed = true;
            if (connection.End.Cause != CloseCause.None)
            {
                return;
            }

            _plain.FlushLast();
            try
            {
                Encrypt(all: true);
                session.Close();
            }
            catch (Exception error)
            {
                // It has ended already, or does now; whoever waits is told by the inner output.
                connection.Lost("What was written could not be encrypted", error);
            }
        }
    }
}
