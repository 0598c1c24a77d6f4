namespace PluginServer.Tests.Support;

/// <summary>Sees the TLS records that a client receives: their types, and how long what follows the header is.</summary>
internal sealed class RecordSpy : Stream
{
    public const byte Alert = 21, ApplicationData = 23;
    private readonly List<byte> _received = [];
    private Stream _stream = Null;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>FIN has come.</summary>
    public bool Ended { get; private set; }

    public RecordSpy Over(Stream stream)
    {
        _stream = stream;
        return this;
    }

    /// <summary>All that have come whole.</summary>
    public List<(byte Type, int Length)> Records()
    {
        var records = new List<(byte, int)>();
        for (var at = 0; at + 5 <= _received.Count;)
        {
            var length = (_received[at + 3] << 8) | _received[at + 4];
            records.Add((_received[at], length));
            at += 5 + length;
        }

        return records;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = await _stream.ReadAsync(buffer, cancellationToken);
        _received.AddRange(buffer[..count].ToArray());
        Ended |= count == 0 && !buffer.IsEmpty;
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => _stream.WriteAsync(buffer, cancellationToken);

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => _stream.WriteAsync(buffer, offset, count, cancellationToken);

    public override void Write(byte[] buffer, int offset, int count) => _stream.Write(buffer, offset, count);

    public override void Flush() => _stream.Flush();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
