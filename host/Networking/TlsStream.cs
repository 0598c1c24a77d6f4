using System.Buffers;

namespace PluginServer.Networking;

/// <summary>What an SslStream reads from and writes to. It is given one record at a time, and only a whole one.</summary>
/// <remarks>
/// During the handshake a read waits for the next record; after it there is none to wait for: whoever decrypts has the record already,
/// so waiting, cancelling and ending are the transport's alone. Nothing that SslStream was given is ever left in it.
/// A write never waits.
/// </remarks>
internal sealed class TlsStream(TransportConnection inner) : Stream
{
    private ReadOnlySequence<byte> _record;
    private bool _authenticated;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Whether a flush would not wait after the last write.</summary>
    public bool HasRoom { get; private set; } = true;

    /// <summary>The handshake is over: from now on records are only offered.</summary>
    public void Authenticated() => _authenticated = true;

    /// <summary>Gives it a whole record, for the reads that follow.</summary>
    public void Offer(in ReadOnlySequence<byte> record) => _record = record;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (!_record.IsEmpty)
        {
            return new ValueTask<int>(Take(buffer.Span));
        }

        return _authenticated ? ValueTask.FromException<int>(new NothingInside()) : ReceiveAsync(buffer, cancellationToken);
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            Write(buffer.Span);
            return default;
        }
        catch (ConnectionClosedException ended)
        {
            return ValueTask.FromException(ended);
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer) => HasRoom = inner.Post(buffer);

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>During the handshake: waits for the next record, and takes what there is room for; 0 after the peer's FIN.</summary>
    private async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await inner.Input.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (TlsRecord.TryMeasure(result.Buffer, out var length))
            {
                // A copy, once per record of a handshake: the transport's bytes are not held while SslStream waits for somebody else.
                _record = new ReadOnlySequence<byte>(result.Buffer.Slice(0, length).ToArray());
                inner.Input.AdvanceTo(result.Buffer.GetPosition(length));
                return Take(buffer.Span);
            }

            inner.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            if (result.IsCompleted)
            {
                return 0;
            }
        }
    }

    private int Take(Span<byte> target)
    {
        var count = (int)Math.Min(target.Length, _record.Length);
        _record.Slice(0, count).CopyTo(target);
        _record = count == _record.Length ? default : _record.Slice(count);
        return count;
    }

    /// <summary>SslStream wants another record, because the one it was given held no bytes for the handler.</summary>
    public sealed class NothingInside : IOException;
}
