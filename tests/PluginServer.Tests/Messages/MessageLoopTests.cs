using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;

namespace PluginServer.Tests.Messages;

/// <summary>The loop alone, over two pipes whose reader and writer run on the test's thread.</summary>
internal sealed class MessageLoopTests
{
    private static readonly PipeOptions Inline = new(readerScheduler: PipeScheduler.Inline, writerScheduler: PipeScheduler.Inline, useSynchronizationContext: false);
    private readonly LoopConnection _connection = new();

    [Test]
    public async Task What_comes_together_is_flushed_together()
    {
        IConnectionHandler handler = new Doubler();
        var running = handler.HandleAsync(_connection, CancellationToken.None);
        Assert.That(_connection.Flushes, Is.EqualTo(1), "the welcome, or that there is none");
        await _connection.ToHandler.Writer.WriteAsync("12345678abcdefgh"u8.ToArray());
        Assert.That(_connection.Flushes, Is.EqualTo(2));
        var result = await _connection.ToClient.Reader.ReadAsync();
        Assert.That(result.Buffer.ToArray(), Is.EqualTo("12345678abcdefgh"u8.ToArray()));
        _connection.ToClient.Reader.AdvanceTo(result.Buffer.End);
        await _connection.ToHandler.Writer.CompleteAsync();
        await running.WaitAsync(Support.Deadline.Length);
    }

    [Test]
    [SuppressMessage("Reliability", "CA2012", Justification = "The flush has ended when the call returns.")]
    public void A_message_costs_no_memory()
    {
        IConnectionHandler handler = new Doubler();
        _ = handler.HandleAsync(_connection, CancellationToken.None);
        var message = "12345678"u8.ToArray();
        Exchange(1000);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Exchange(10_000);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);

        void Exchange(int times)
        {
            for (var time = 0; time < times; time++)
            {
                message.CopyTo(_connection.ToHandler.Writer.GetSpan(message.Length));
                _connection.ToHandler.Writer.Advance(message.Length);
                Assume(_connection.ToHandler.Writer.FlushAsync().IsCompleted);
                Assume(_connection.ToClient.Reader.TryRead(out var result) && result.Buffer.Length == message.Length);
                _connection.ToClient.Reader.AdvanceTo(result.Buffer.End);
            }
        }

        // NUnit's own allocates.
        static void Assume(bool condition)
        {
            if (!condition)
            {
                throw new InvalidOperationException("the handler does not answer at once");
            }
        }
    }

    private sealed class Doubler() : MessageHandler<ReadOnlySequence<byte>>(new FixedSizeProtocol(8))
    {
        protected override ValueTask OnMessageAsync(ReadOnlySequence<byte> message) => SendAsync(message);
    }

    private sealed class LoopConnection : Connection
    {
        public LoopConnection() => Output = new CountingWriter(this);

        public Pipe ToHandler { get; } = new(Inline);

        public Pipe ToClient { get; } = new(Inline);

        public int Flushes { get; set; }

        public override long Id => 1;

        public override string Endpoint => "test";

        public override EndPoint LocalEndPoint => throw new NotSupportedException();

        public override EndPoint RemoteEndPoint => throw new NotSupportedException();

        public override PipeReader Input => ToHandler.Reader;

        public override PipeWriter Output { get; }

        public override CancellationToken Closed => CancellationToken.None;

        public override void Abort(string reason) => throw new NotSupportedException();
    }

    private sealed class CountingWriter(LoopConnection connection) : PipeWriter
    {
        private readonly PipeWriter _inner = connection.ToClient.Writer;

        public override bool CanGetUnflushedBytes => true;

        public override long UnflushedBytes => _inner.UnflushedBytes;

        public override void Advance(int bytes) => _inner.Advance(bytes);

        public override Memory<byte> GetMemory(int sizeHint = 0) => _inner.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => _inner.GetSpan(sizeHint);

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            connection.Flushes++;
            return _inner.FlushAsync(cancellationToken);
        }

        public override void CancelPendingFlush() => _inner.CancelPendingFlush();

        public override void Complete(Exception? exception = null) => _inner.Complete(exception);
    }
}
