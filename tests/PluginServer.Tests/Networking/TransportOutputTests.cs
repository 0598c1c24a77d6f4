using System.Buffers;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

[TestFixtureSource(typeof(TransportFactory), nameof(TransportFactory.All))]
public sealed class TransportOutputTests(TransportFactory factory) : TransportTests(factory)
{
    [Test]
    public async Task What_is_written_is_sent_by_a_flush_and_counted()
    {
        var link = await OpenAsync();
        var output = link.Server.Output;
        output.Write("hello "u8);
        Assert.That(output is { CanGetUnflushedBytes: true, UnflushedBytes: 6 });
        await output.FlushAsync().Within();
        await output.WriteAsync("world"u8.ToArray()).Within();
        Assert.That(await link.ReceiveAsync(11), Is.EqualTo("hello world"u8.ToArray()));
        Assert.Multiple(() =>
        {
            Assert.That(output.UnflushedBytes, Is.Zero);
            Assert.That(link.Sent, IsOnWire(11));
            Assert.That(Rented(), Is.Zero);
        });
    }

    [Test]
    public async Task A_span_larger_than_a_block_is_given_and_order_is_kept()
    {
        var link = await OpenAsync();
        var bytes = Random(150_000);
        var output = link.Server.Output;
        output.Write(bytes.AsSpan(0, 10));
        _ = output.GetMemory(20_000);
        var span = output.GetSpan(139_990);
        Assert.That(span.Length, Is.GreaterThanOrEqualTo(139_990));
        bytes.AsSpan(10, 139_990).CopyTo(span);
        output.Advance(139_990);
        var flushing = output.WriteAsync(bytes.AsMemory(140_000)).Within();
        Assert.That(await link.ReceiveAsync(bytes.Length), Is.EqualTo(bytes));
        await flushing;
    }

    [Test]
    public async Task Advance_refuses_more_than_was_given()
    {
        var link = await OpenAsync();
        Assert.Catch<ArgumentOutOfRangeException>(() => link.Server.Output.Advance(1));
        var room = link.Server.Output.GetMemory().Length;
        Assert.Catch<ArgumentOutOfRangeException>(() => link.Server.Output.Advance(room + 1));
        Assert.Catch<ArgumentOutOfRangeException>(() => link.Server.Output.Advance(-1));
        Assert.Catch<ArgumentOutOfRangeException>(() => link.Server.Output.GetMemory(-1));
        link.Server.Output.Advance(0);
    }

    [Test]
    public async Task A_flush_is_held_back_by_a_peer_that_does_not_read_and_completes_when_it_does([Values(1000, 30_000, 64 * 1024, 1 << 20)] int size)
    {
        var link = await OpenAsync();
        var chunk = Random(size);
        var (flush, written) = await WriteUntilHeldBackAsync(link.Server, chunk);
        Assert.That(Rented(), Is.LessThanOrEqualTo(4), "what waits is referenced, not copied");
        if (!Tls)
        {
            Assert.That(written - link.Sent, Is.GreaterThanOrEqualTo(64 * 1024));
        }

        var received = link.ReceiveAsync((int)written);
        await flush.Within();
        var bytes = await received;
        for (var at = 0; at < written; at += size)
        {
            Assert.That(bytes.AsSpan(at, size).SequenceEqual(chunk));
        }

        await Deadline.UntilAsync(() => link.Sent >= written && Rented() == 0, "the queue to drain");
    }

    [Test]
    public async Task A_flush_completes_while_less_than_the_threshold_waits()
    {
        var link = await OpenAsync();
        var (flush, written) = await WriteUntilHeldBackAsync(link.Server, new byte[1 << 20]);
        var received = 0;

        // What encryption adds to all this is less than half of it.
        var threshold = Tls ? TransportConnection.FlushThreshold / 2 : TransportConnection.FlushThreshold;
        while (written - link.Sent >= threshold && received < written)
        {
            received += (await link.ReceiveAsync(4096)).Length;
        }

        // Nobody reads now: what still waits must not hold it back.
        await flush.Within();
        await link.ReceiveAsync((int)written - received);
    }

    [Test]
    public async Task A_second_flush_is_refused_while_one_waits()
    {
        var link = await OpenAsync();
        var (flush, written) = await WriteUntilHeldBackAsync(link.Server, new byte[300_000]);
        await Assert.CatchAsync<InvalidOperationException>(() => link.Server.Output.FlushAsync().AsTask());
        await Assert.CatchAsync<InvalidOperationException>(() => link.Server.Output.WriteAsync(new byte[1]).AsTask());
        Assert.Catch<InvalidOperationException>(() => link.Server.Output.GetMemory());
        await link.ReceiveAsync((int)written);
        await flush.Within();
    }

    [Test]
    public async Task A_cancelled_flush_leaves_no_hole_in_the_stream([Values] bool byToken)
    {
        var link = await OpenAsync();
        var (flush, written) = await WriteUntilHeldBackAsync(link.Server, Random(1 << 20));
        await link.ReceiveAsync((int)written);
        await flush.Within();

        // More than both kernel buffers take: the stream before has let them grow, to some 10 MiB together.
        var big = Random(32 << 20);
        using var source = new CancellationTokenSource();
        var copy = (byte[])big.Clone();
        var pending = link.Server.Output.WriteAsync(copy, source.Token);
        Assert.That(pending.IsCompleted, Is.False);
        if (byToken)
        {
            await source.CancelAsync();
            var error = (await Assert.CatchAsync<OperationCanceledException>(() => pending.Within()))!;
            Assert.That(error.CancellationToken, Is.EqualTo(source.Token));
        }
        else
        {
            link.Server.Output.CancelPendingFlush();
            Assert.That((await pending.Within()).IsCanceled);
        }

        // The source is the caller's again.
        copy.AsSpan().Clear();
        var last = link.Server.Output.WriteAsync("end"u8.ToArray()).Within();
        Assert.That((await link.ReceiveAsync(big.Length)).AsSpan().SequenceEqual(big));
        Assert.That(await link.ReceiveAsync(3), Is.EqualTo("end"u8.ToArray()));
        await last;
    }

    [Test]
    public async Task CancelPendingFlush_with_none_pending_cancels_the_next_and_its_bytes_are_sent()
    {
        var link = await OpenAsync();
        link.Server.Output.CancelPendingFlush();
        Assert.That((await link.Server.Output.WriteAsync("abc"u8.ToArray()).Within()).IsCanceled);
        Assert.That((await link.Server.Output.FlushAsync().Within()).IsCanceled, Is.False);
        Assert.That(await link.ReceiveAsync(3), Is.EqualTo("abc"u8.ToArray()));
    }

    [Test]
    public async Task A_token_cancelled_before_the_call_sends_nothing()
    {
        var link = await OpenAsync();
        await Assert.CatchAsync<OperationCanceledException>(() => link.Server.Output.WriteAsync(new byte[1], new CancellationToken(true)).AsTask());
        await link.Server.Output.WriteAsync("abc"u8.ToArray()).Within();
        Assert.That(await link.ReceiveAsync(3), Is.EqualTo("abc"u8.ToArray()));
    }

    [Test]
    public async Task CompleteAsync_sends_everything_then_FIN_and_Input_stays_usable()
    {
        var link = await OpenAsync();
        var bytes = Random(10 << 20);
        link.Server.Output.Write(bytes);
        var completing = link.Server.Output.CompleteAsync();
        Assert.That(completing.IsCompleted, Is.False);
        Assert.That((await link.ReceiveAllAsync()).AsSpan().SequenceEqual(bytes));
        await completing.Within();
        await link.SendAsync("still"u8.ToArray());
        Assert.That(await ReadAsync(link.Server, 5), Is.EqualTo("still"u8.ToArray()));
        Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.None));
    }

    [Test]
    public async Task Complete_sends_FIN_after_the_last_byte_and_completing_again_is_harmless()
    {
        var link = await OpenAsync();
        link.Server.Output.Write("last"u8);
        link.Server.Output.Complete();
        link.Server.Output.Complete();
        await link.Server.Output.CompleteAsync().Within();
        link.Server.Output.Complete(new InvalidOperationException("late"));
        Assert.That(await link.ReceiveAllAsync(), Is.EqualTo("last"u8.ToArray()));
        Assert.Multiple(() =>
        {
            Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.None));
            Assert.Catch<InvalidOperationException>(() => link.Server.Output.GetSpan());
        });
        await Assert.CatchAsync<InvalidOperationException>(() => link.Server.Output.FlushAsync().AsTask());
        await Assert.CatchAsync<InvalidOperationException>(() => link.Server.Output.WriteAsync(new byte[1]).AsTask());
    }

    [Test]
    public async Task Complete_with_an_exception_aborts()
    {
        var link = await OpenAsync();
        link.Server.Output.Complete(new InvalidOperationException("no answer"));
        Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.Aborted));
        Assert.That(link.Server.End.Reason, Does.Contain("no answer"));
        await AssertResetAsync(link.ReceiveAllAsync());
    }

    /// <summary>The last bytes that wait find room just then: a FIN behind them would make an answer look whole that is not.</summary>
    [Test]
    public async Task Complete_with_an_exception_sends_no_FIN_however_the_room_comes()
    {
        var link = await OpenAsync();
        var (flush, written) = await WriteUntilHeldBackAsync(link.Server, new byte[100_000]);
        var receiving = Task.CompletedTask;
        link.Server.Output.Complete(new TellingException(() =>
        {
            link.ReceiveAsync((int)written).Within().GetAwaiter().GetResult();
            flush.Within().GetAwaiter().GetResult();
            receiving = link.ReceiveAllAsync();

            // So long that a FIN would have come before the reset.
            receiving.Wait(TimeSpan.FromMilliseconds(50));
        }));
        await AssertResetAsync(receiving);
    }

    [Test]
    public async Task A_source_that_refuses_costs_only_its_own_connection()
    {
        var link = await OpenAsync();
        var (flush, written) = await WriteUntilHeldBackAsync(link.Server, new byte[100_000]);
        await link.ReceiveAsync((int)written);
        await flush.Within();
        using var source = new RefusingMemory(16 << 20);
        var pending = link.Server.Output.WriteAsync(source.Memory);
        Assert.That(pending.IsCompleted, Is.False);
        source.Refuse = true;
        var receiving = link.ReceiveAllAsync();
        await Assert.CatchAsync<ConnectionClosedException>(() => pending.Within());
        await AssertResetAsync(receiving);
    }

    /// <summary>What a layer below the handler sends, whatever the handler does meanwhile.</summary>
    [Test]
    public async Task What_is_posted_is_sent_in_order_while_a_flush_waits_and_refused_after_the_end()
    {
        OnlyWithoutTls("posting is for what lies between a handler and its transport");
        var link = await OpenAsync();
        Assert.That(link.Server.Post("first"u8), Is.True);
        Assert.That(await link.ReceiveAsync(5), Is.EqualTo("first"u8.ToArray()));
        var chunk = Random(16 * 1024);
        var posted = 0L;
        while (link.Server.Post(chunk))
        {
            posted += chunk.Length;
        }

        var flush = link.Server.Output.FlushAsync();
        Assert.That(flush.IsCompleted, Is.False);
        Assert.That(link.Server.Post(chunk), Is.False);
        var received = await link.ReceiveAsync((int)posted + (2 * chunk.Length));
        for (var at = 0; at < received.Length; at += chunk.Length)
        {
            Assert.That(received.AsSpan(at, chunk.Length).SequenceEqual(chunk));
        }

        await flush.Within();
        await link.Server.Output.CompleteAsync().Within();
        Assert.That(link.Server.Post(chunk), Is.True, "what comes behind FIN goes nowhere");
        Assert.That(await link.ReceiveAllAsync(), Is.Empty);
        var other = await OpenAsync();
        other.Server.Abort(CloseCause.Cut, "cut");
        Assert.That(Assert.Catch<ConnectionClosedException>(() => other.Server.Post(chunk))!.Message, Is.EqualTo("cut"));
        var gone = await OpenAsync();
        await gone.ResetAsync();
        Assert.Catch<ConnectionClosedException>(() =>
        {
            while (true)
            {
                gone.Server.Post(chunk);
            }
        });
    }

    private sealed class TellingException(Action asked) : Exception
    {
        public override string Message
        {
            get
            {
                asked();
                return "no answer";
            }
        }
    }

    private sealed class RefusingMemory(int size) : MemoryManager<byte>
    {
        private readonly byte[] _bytes = new byte[size];

        public bool Refuse { get; set; }

        public override Span<byte> GetSpan() => Refuse ? throw new InvalidOperationException("refused") : _bytes;

        public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
