using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace PluginServer.Networking;

/// <content>The inner side: waiting for records, and decrypting them.</content>
internal sealed partial class TlsInput
{
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ReadResult> ReceiveAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                var arrival = inner.Input.ReadAsync(cancellationToken);
                if (!arrival.IsCompleted)
                {
                    Shrink();
                }

                if (TryDecrypt(await arrival.ConfigureAwait(false), out var result))
                {
                    return result;
                }
            }
        }
        finally
        {
            lock (_bytes)
            {
                _reading = false;
            }
        }
    }

    private void Shrink()
    {
        lock (_bytes)
        {
            if (!_left && !_completed)
            {
                _bytes.Shrink();
            }
        }
    }

    /// <summary>Decrypts what is whole of what has arrived. True when there is news: bytes, the end, or a cancellation.</summary>
    private bool TryDecrypt(in ReadResult arrival, out ReadResult result)
    {
        lock (_bytes)
        {
            if (_left || connection.End.Cause != CloseCause.None)
            {
                throw connection.Ended();
            }

            if (_completed)
            {
                throw new InvalidOperationException("Reading is not allowed after the reader was completed.");
            }

            try
            {
                Decrypt(arrival);
            }
            catch (Exception error) when (error is not ConnectionClosedException)
            {
                throw connection.Lost("The peer broke the rules of TLS", error);
            }

            return TryTake(out result);
        }
    }

    private void Decrypt(in ReadResult arrival)
    {
        var rest = arrival.Buffer;
        while (!_fin && TlsRecord.TryMeasure(rest, out var length))
        {
            var block = _bytes.NextBlock(TlsRecord.RoomFor(length));
            var count = 0;
            try
            {
                count = session.Decrypt(rest.Slice(0, length), block.Bytes[block.End..]);
                _examined &= count <= 0;
                _fin = count == TlsSession.Closed;
            }
            finally
            {
                _bytes.Filled(block, Math.Max(count, 0));
            }

            rest = rest.Slice(length);
        }

        if (arrival.IsCompleted && !_fin)
        {
            _fin = rest.IsEmpty ? true : throw new InvalidDataException("FIN came in the middle of a record");
        }

        // What comes behind close_notify is not looked at.
        inner.Input.AdvanceTo(_fin ? rest.End : rest.Start, rest.End);
    }
}
