using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>The client's end of a connection in memory, as a stream: what NetworkStream is over a socket, errors included.</summary>
internal sealed class MemoryClient : Stream
{
    private readonly MemorySocket _socket;
    private TaskCompletionSource _news = New();

    public MemoryClient(MemorySocket socket)
    {
        _socket = socket;
        _socket.Follow(OnNews);
    }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <exception cref="IOException">It has ended, with the SocketException of the cause inside.</exception>
    public void ShutDownSending() => ThrowIf(_socket.ShutDownSending());

    public void Reset() => _socket.Close(reset: true);

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            // Asked for before it is tried, so that no news in between is lost.
            var news = Volatile.Read(ref _news).Task;
            var count = _socket.Receive(buffer.Span, out var error);
            ThrowIf(error);
            if (count >= 0)
            {
                return count;
            }

            await news.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        return 0;
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            var news = Volatile.Read(ref _news).Task;
            var count = _socket.Send(buffer.Span, out var error);
            ThrowIf(error);
            buffer = buffer[count..];
            if (count == 0)
            {
                await news.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => ReadAsync(buffer, offset, count, CancellationToken.None).GetAwaiter().GetResult();

    public override void Write(byte[] buffer, int offset, int count) => WriteAsync(buffer, offset, count, CancellationToken.None).GetAwaiter().GetResult();

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        _socket.Close(reset: false);
        base.Dispose(disposing);
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static void ThrowIf(SocketError error)
    {
        if (error != SocketError.Success)
        {
            var cause = new SocketException((int)error);
            throw new IOException(cause.Message, cause);
        }
    }

    private void OnNews(MemoryNews news) => Interlocked.Exchange(ref _news, New()).TrySetResult();
}
