using System.Runtime.CompilerServices;

namespace PluginServer.Testing;

/// <summary>Between an SslStream and its socket: lets close_notify be sent while a read waits, and not while it decrypts, which SslStream does not keep apart.</summary>
internal sealed class TurnStream(Stream inner) : Stream
{
    private readonly SemaphoreSlim _turn = new(1);
    private bool _taken;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Reads by the SslStream; its turn ends while it waits for bytes.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<int> ReadAsync(Stream session, Memory<byte> bytes)
    {
        await _turn.WaitAsync();
        _taken = true;
        try
        {
            return await session.ReadAsync(bytes);
        }
        finally
        {
            _taken = false;
            _turn.Release();
        }
    }

    /// <summary>Does something while nobody decrypts.</summary>
    public async Task DoAsync(Func<Task> action)
    {
        await _turn.WaitAsync();
        try
        {
            await action();
        }
        finally
        {
            _turn.Release();
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        // The handshake comes before anybody takes turns.
        if (!_taken)
        {
            return await inner.ReadAsync(buffer, cancellationToken);
        }

        _turn.Release();
        try
        {
            return await inner.ReadAsync(buffer, cancellationToken);
        }
        finally
        {
            await _turn.WaitAsync(CancellationToken.None);
        }
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => inner.WriteAsync(buffer, cancellationToken);

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override void Flush() => inner.Flush();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
