using System.Buffers;
using System.IO.Pipelines;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

[TestFixtureSource(typeof(TransportFactory), nameof(TransportFactory.All))]
public sealed class TransportEndTests(TransportFactory factory) : TransportTests(factory)
{
    [Test]
    public async Task A_reset_ends_pending_and_later_reads_and_flushes_and_fires_Closed()
    {
        var link = await OpenAsync();
        var closed = link.Server.Closed;
        var read = link.Server.Input.ReadAsync().AsTask();
        await link.ResetAsync();
        var error = await Assert.CatchAsync<ConnectionClosedException>(() => read.Within());
        await Deadline.CancelledAsync(closed);
        Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.Reset));
        Assert.That(error!.Message, Is.EqualTo(link.Server.End.Reason));
        await RefusedAsync(link, link.Server.End.Reason!);
    }

    [Test]
    public async Task A_reset_ends_a_flush_that_waits()
    {
        var link = await OpenAsync();
        var (flush, _) = await WriteUntilHeldBackAsync(link.Server, new byte[1 << 20]);
        await link.ResetAsync();
        await Assert.CatchAsync<ConnectionClosedException>(() => flush.Within());
        Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.Reset));
    }

    [Test]
    public async Task A_reset_is_noticed_by_a_handler_that_only_writes()
    {
        var link = await OpenAsync();
        await link.ResetAsync();
        await Assert.CatchAsync<ConnectionClosedException>(async () =>
        {
            while (true)
            {
                await link.Server.Output.WriteAsync(new byte[100]).Within();
            }
        });
        Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.Reset));
    }

    [Test]
    public async Task A_reset_fires_Closed_while_nobody_reads([Values] bool afterRead)
    {
        var link = await OpenAsync();
        var closed = afterRead ? default : link.Server.Closed;
        if (afterRead)
        {
            closed = link.Server.Closed;
            await link.SendAsync(new byte[10]);
            await ReadAsync(link.Server, 10);
        }

        await link.ResetAsync();
        await Deadline.CancelledAsync(closed);
        Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.Reset));
    }

    [Test]
    public async Task A_reset_fires_Closed_that_is_asked_for_after_it()
    {
        var link = await OpenAsync();
        var cancelled = link.Server.Input.ReadAsync();
        link.Server.Input.CancelPendingRead();
        await cancelled.Within();
        await link.ResetAsync();
        await Deadline.CancelledAsync(link.Server.Closed);
        Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.Reset));
    }

    [Test]
    public async Task A_reset_fires_Closed_after_a_read_that_filled_its_block_exactly()
    {
        var link = await OpenAsync();
        var closed = link.Server.Closed;
        await link.SendAsync(new byte[128 * 1024]);
        await ReadAsync(link.Server, 128 * 1024);
        await link.ResetAsync();
        await Deadline.CancelledAsync(closed);
    }

    [Test]
    public async Task FIN_does_not_fire_Closed_and_the_end_does()
    {
        var link = await OpenAsync();
        var closed = link.Server.Closed;
        await link.ShutDownAsync();
        var result = await link.Server.Input.ReadAsync().Within();
        link.Server.Input.AdvanceTo(result.Buffer.End);
        Assert.That(result.IsCompleted);
        await link.Server.Output.WriteAsync(new byte[1]).Within();
        Assert.That(closed.IsCancellationRequested, Is.False);
        await link.FinishAsync().Within();
        await Deadline.CancelledAsync(closed);
        Assert.That(link.Server.Closed.IsCancellationRequested);
        Assert.That(link.Server.End, Is.EqualTo((CloseCause.None, (string?)null)));
    }

    [Test]
    public async Task Abort_ends_everything_with_the_first_reason_and_resets_the_peer()
    {
        const CloseCause cause = CloseCause.Cut;
        var link = await OpenAsync();
        var closed = link.Server.Closed;
        var read = link.Server.Input.ReadAsync().AsTask();
        var (flush, _) = await WriteUntilHeldBackAsync(link.Server, new byte[1 << 20]);
        link.Server.Abort(cause, "first");
        link.Server.Abort(CloseCause.Fault, "second");
        Assert.That((await Assert.CatchAsync<ConnectionClosedException>(() => read.Within()))!.Message, Is.EqualTo("first"));
        Assert.That((await Assert.CatchAsync<ConnectionClosedException>(() => flush.Within()))!.Message, Is.EqualTo("first"));
        await Deadline.CancelledAsync(closed);
        Assert.That(link.Server.End, Is.EqualTo((cause, "first")));
        await RefusedAsync(link, "first");
        await AssertResetAsync(link.ReceiveAllAsync());
    }

    [Test]
    public async Task Bytes_of_a_result_stay_valid_when_another_thread_aborts()
    {
        var link = await OpenAsync();
        await link.SendAsync("abc"u8.ToArray());
        var result = await link.Server.Input.ReadAsync().Within();
        link.Server.Abort(CloseCause.Cut, "cut");
        Assert.That(result.Buffer.ToArray(), Is.EqualTo("abc"u8.ToArray()));
        link.Server.Input.AdvanceTo(result.Buffer.End);
        link.Server.Output.Write("still composed"u8);
        await RefusedAsync(link, "cut");
    }

    [Test]
    public async Task A_callback_of_Closed_that_throws_or_aborts_harms_nobody()
    {
        var link = await OpenAsync();
        var onPool = new TaskCompletionSource<bool>();
        var closed = link.Server.Closed;
        closed.Register(() => throw new InvalidOperationException("callback"));
        closed.Register(() => onPool.SetResult(Thread.CurrentThread.IsThreadPoolThread));
        closed.Register(() => link.Server.Abort(CloseCause.Aborted, "again"));
        link.Server.Abort(CloseCause.Cut, "cut");
        Assert.That(await onPool.Task.Within());
    }

    [Test]
    public async Task The_end_flushes_sends_FIN_and_closes()
    {
        var link = await OpenAsync();
        var bytes = Random(6 << 20);
        link.Server.Output.Write(bytes);
        var finishing = link.FinishAsync();
        Assert.That((await link.ReceiveAllAsync()).AsSpan().SequenceEqual(bytes));
        Assert.That(finishing.IsCompleted, Is.False, "it goes on reading until the peer's FIN");
        link.Close();
        await finishing.Within();
        Assert.That(link.Sent, IsOnWire(bytes.Length));
    }

    [Test]
    public async Task Who_sent_FIN_first_gets_the_whole_answer_and_FIN([Values] bool consumed, [Values(100, 6 << 20)] int size)
    {
        var link = await OpenAsync();
        await link.SendAsync("request"u8.ToArray());
        await link.ShutDownAsync();
        ReadResult result;
        while (!(result = await link.Server.Input.ReadAsync().Within()).IsCompleted)
        {
            link.Server.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }

        Assert.That(result.Buffer.Length, Is.EqualTo(7));
        link.Server.Input.AdvanceTo(consumed ? result.Buffer.End : result.Buffer.Start, result.Buffer.End);
        var bytes = Random(size);
        link.Server.Output.Write(bytes);
        var finishing = link.FinishAsync();
        Assert.That((await link.ReceiveAllAsync()).AsSpan().SequenceEqual(bytes));
        await finishing.Within();
        Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.None));
        Assert.That(link.Sent, IsOnWire(bytes.Length));
    }

    [Test]
    public async Task The_last_answer_arrives_whole_although_the_client_keeps_sending()
    {
        var answer = Random(20_000);
        var whole = 0;
        await Parallel.ForAsync(0, Times(1000), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (_, _) =>
        {
            await using var link = await OpenOwnAsync();
            await link.SendAsync("request"u8.ToArray());
            var serving = link.ServeAsync(async connection =>
            {
                var result = await connection.Input.ReadAsync();
                connection.Input.AdvanceTo(result.Buffer.End);
                await connection.Output.WriteAsync(answer);
            });
            await link.SendAsync(new byte[10_000]);
            var received = await link.ReceiveAsync(answer.Length);
            await link.SendAsync(new byte[10_000]);
            if ((await link.ReceiveAllAsync()).Length == 0 && received.AsSpan().SequenceEqual(answer))
            {
                Interlocked.Increment(ref whole);
            }

            link.Close();
            await serving.Within();
        });
        Assert.That(whole, Is.EqualTo(Times(1000)));
    }

    [Test]
    public async Task Reading_on_at_the_end_stops_after_a_second()
    {
        var link = await OpenAsync();
        link.Server.Output.Write("bye"u8);
        var finishing = link.FinishAsync();
        Assert.That(await link.ReceiveAllAsync(), Is.EqualTo("bye"u8.ToArray()));
        await Deadline.UntilAsync(() => Time.Timers == 1, "the linger timer");
        Time.Advance(TransportConnection.LingerTime - TimeSpan.FromMilliseconds(1));
        await link.SendAsync(new byte[100]);
        await Deadline.UntilAsync(() => link.Received >= 100, "discarded bytes count as received");
        Assert.That(finishing.IsCompleted, Is.False);
        Time.Advance(TimeSpan.FromMilliseconds(1));
        await finishing.Within();
        Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.None));
    }

    [Test]
    public async Task Reading_on_at_the_end_stops_after_64_KiB()
    {
        var link = await OpenAsync();
        var sending = link.SendAsync(new byte[TransportConnection.LingerBytes + 1]);
        await sending;
        await link.FinishAsync().Within();
        Assert.That(link.Received, Is.EqualTo(TransportConnection.LingerBytes));
    }

    [Test]
    public async Task What_the_kernel_still_holds_is_delivered_when_reading_on_has_stopped()
    {
        var link = await OpenAsync();
        var bytes = Random(100_000);
        link.Server.Output.Write(bytes);
        var finishing = link.FinishAsync();
        await Deadline.UntilAsync(() => Time.Timers == 1, "the linger timer");
        Time.Advance(TransportConnection.LingerTime);
        await finishing.Within();
        Assert.That((await link.ReceiveAllAsync()).AsSpan().SequenceEqual(bytes));
    }

    [Test]
    public async Task The_end_of_a_handler_that_wrote_to_a_peer_which_never_reads_is_bounded_by_Abort()
    {
        var link = await OpenAsync();
        link.Server.Output.Write(new byte[16 << 20]);
        var finishing = link.FinishAsync();
        Assert.That(finishing.IsCompleted, Is.False);
        link.Server.Abort(CloseCause.Cut, "deadline");
        await finishing.Within();
        Assert.That(link.Server.End, Is.EqualTo((CloseCause.Cut, "deadline")));
        Assert.That(Rented(), Is.Zero);
    }

    [Test]
    public async Task Abort_ends_reading_on()
    {
        var link = await OpenAsync();
        var finishing = link.FinishAsync();
        await Deadline.UntilAsync(() => Time.Timers == 1, "the linger timer");
        link.Server.Abort(CloseCause.Cut, "deadline");
        await finishing.Within();
    }

    [Test]
    public async Task What_a_handler_left_behind_is_ended_and_later_calls_are_refused()
    {
        var link = await OpenAsync();
        await link.SendAsync("abc"u8.ToArray());
        var result = await link.Server.Input.ReadAsync().Within();
        link.Server.Input.AdvanceTo(result.Buffer.End);
        var read = link.Server.Input.ReadAsync().AsTask();
        var memory = link.Server.Output.GetMemory();
        var finishing = link.FinishAsync();
        await Assert.CatchAsync<ConnectionClosedException>(() => read.Within());
        link.Close();
        await finishing.Within();
        await RefusedAsync(link, null);
        memory.Span[0] = 1;
        Assert.Catch<ConnectionClosedException>(() => link.Server.Output.GetMemory());
        Assert.Catch<ConnectionClosedException>(() => link.Server.Output.Advance(1));
        Assert.Catch<ConnectionClosedException>(() => link.Server.Input.AdvanceTo(result.Buffer.End));
        link.Server.Input.CancelPendingRead();
        link.Server.Output.CancelPendingFlush();
        link.Server.Input.Complete();
        link.Server.Output.Complete();
        link.Server.Output.Complete(new InvalidOperationException("late"));
        link.Server.Abort(CloseCause.Aborted, "late");
        Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.None));
    }

    [Test]
    public async Task A_write_that_a_handler_did_not_await_is_sent_whole()
    {
        var link = await OpenAsync();
        var bytes = Random(8 << 20);
        var flush = link.Server.Output.WriteAsync(bytes).AsTask();
        Assert.That(flush.IsCompleted, Is.False);
        var finishing = link.FinishAsync();
        Assert.That((await link.ReceiveAllAsync()).AsSpan().SequenceEqual(bytes));
        await flush.Within();
        link.Close();
        await finishing.Within();
    }

    [Test]
    public async Task Bytes_that_a_handler_left_behind_still_looks_at_are_not_used_again()
    {
        var link = await OpenAsync();
        await link.SendAsync("abc"u8.ToArray());
        var result = await link.Server.Input.ReadAsync().Within();
        link.Close();
        await link.FinishAsync().Within();
        var other = await OpenAsync();
        await other.SendAsync("xyz"u8.ToArray());
        await ReadAsync(other.Server, 3);
        Assert.That(result.Buffer.ToArray(), Is.EqualTo("abc"u8.ToArray()));
    }

    [Test]
    public async Task Memory_that_a_handler_left_behind_still_writes_to_is_not_used_again()
    {
        var link = await OpenAsync();
        var memory = link.Server.Output.GetMemory();
        link.Close();
        await link.FinishAsync().Within();
        var other = await OpenAsync();
        await other.SendAsync("xyz"u8.ToArray());
        var result = await other.Server.Input.ReadAsync().Within();
        memory.Span.Fill((byte)'!');
        Assert.That(result.Buffer.ToArray(), Is.EqualTo("xyz"u8.ToArray()));
        Assert.That(Rented(), Is.EqualTo(1), "what the other one holds");
    }

    /// <summary>A task that was left behind learns of the end by Closed, maybe before the handler has returned.</summary>
    [Test]
    public async Task Bytes_that_are_advanced_over_after_the_end_are_not_used_again()
    {
        var link = await OpenAsync();
        await link.SendAsync("abc"u8.ToArray());
        var result = await link.Server.Input.ReadAsync().Within();
        link.Server.Abort(CloseCause.Cut, "deadline");
        link.Server.Input.AdvanceTo(result.Buffer.End);
        await link.FinishAsync().Within();
        Assert.That(Rented(), Is.Zero);
        var other = await OpenAsync();
        await other.SendAsync("xyz"u8.ToArray());
        await ReadAsync(other.Server, 3);
        Assert.That(result.Buffer.ToArray(), Is.EqualTo("abc"u8.ToArray()));
    }

    private static async Task RefusedAsync(Link link, string? reason)
    {
        Func<Task>[] later =
        [
            () => link.Server.Input.ReadAsync().AsTask(),
            () => Task.FromResult(link.Server.Input.TryRead(out _)),
            () => link.Server.Output.FlushAsync().AsTask(),
            () => link.Server.Output.WriteAsync(new byte[1]).AsTask(),
        ];
        foreach (var call in later)
        {
            var error = await Assert.CatchAsync<ConnectionClosedException>(call);
            Assert.That(error!.Message, reason is null ? Is.Not.Empty : Is.EqualTo(reason));
        }
    }
}
