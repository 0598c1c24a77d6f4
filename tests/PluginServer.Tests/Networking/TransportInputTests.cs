using System.Buffers;
using System.IO.Pipelines;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

[TestFixtureSource(typeof(TransportFactory), nameof(TransportFactory.All))]
public sealed class TransportInputTests(TransportFactory factory) : TransportTests(factory)
{
    [Test]
    public async Task What_the_peer_sends_is_read_and_counted()
    {
        var link = await OpenAsync();
        var read = link.Server.Input.ReadAsync();
        await link.SendAsync("hello"u8.ToArray());
        var result = await read.Within();
        Assert.Multiple(() =>
        {
            Assert.That(result.Buffer.ToArray(), Is.EqualTo("hello"u8.ToArray()));
            Assert.That(result.IsCompleted, Is.False);
            Assert.That(link.Received, IsOnWire(5));
        });
        link.Server.Input.AdvanceTo(result.Buffer.End);
    }

    [Test]
    public async Task Nothing_is_rented_while_a_read_waits_and_nothing_is_buffered()
    {
        var link = await OpenAsync();
        await link.SendAsync(Random(100));
        await ReadAsync(link.Server, 100);
        var read = link.Server.Input.ReadAsync().AsTask();
        Assert.Multiple(() =>
        {
            Assert.That(read.IsCompleted, Is.False);
            Assert.That(Rented(), Is.Zero);
        });
        link.Server.Abort(CloseCause.Cut, "end");
        await Assert.CatchAsync<ConnectionClosedException>(() => read);
    }

    [Test]
    public async Task The_peers_FIN_is_IsCompleted_again_and_again_and_Output_stays_usable()
    {
        var link = await OpenAsync();
        await link.SendAsync("x"u8.ToArray());
        await link.ShutDownAsync();
        await ReadAsync(link.Server, 1);
        for (var round = 0; round < 3; round++)
        {
            var result = await link.Server.Input.ReadAsync().Within();
            Assert.That(result is { IsCompleted: true, Buffer.IsEmpty: true });
            link.Server.Input.AdvanceTo(result.Buffer.End);
        }

        Assert.That(link.Server.Input.TryRead(out var last) && last.IsCompleted);
        await link.Server.Output.WriteAsync("answer"u8.ToArray()).Within();
        Assert.That(await link.ReceiveAsync(6), Is.EqualTo("answer"u8.ToArray()));
    }

    [Test]
    public async Task Bytes_that_are_not_examined_are_returned_at_once_and_examined_ones_wait_for_more()
    {
        var link = await OpenAsync();
        var input = link.Server.Input;
        await link.SendAsync("abc"u8.ToArray());
        var first = await input.ReadAsync().Within();
        input.AdvanceTo(first.Buffer.GetPosition(1));
        var again = input.ReadAsync();
        Assert.That(again.IsCompleted, Is.True);
        var rest = await again;
        Assert.That(rest.Buffer.ToArray(), Is.EqualTo("bc"u8.ToArray()));
        input.AdvanceTo(rest.Buffer.Start, rest.Buffer.End);
        var waiting = input.ReadAsync();
        Assert.That(waiting.IsCompleted, Is.False);
        await link.SendAsync("d"u8.ToArray());
        var more = await waiting.Within();
        Assert.That(more.Buffer.ToArray(), Is.EqualTo("bcd"u8.ToArray()));
        input.AdvanceTo(more.Buffer.End);
    }

    [Test]
    public async Task TryRead_returns_what_has_arrived_and_false_when_nothing_has()
    {
        var link = await OpenAsync();
        Assert.That(link.Server.Input.TryRead(out _), Is.False);
        await link.SendAsync("abc"u8.ToArray());
        var result = default(ReadResult);
        await Deadline.UntilAsync(() => link.Server.Input.TryRead(out result), "bytes");
        Assert.That(result.Buffer.ToArray(), Is.EqualTo("abc"u8.ToArray()));
        link.Server.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        Assert.That(link.Server.Input.TryRead(out _), Is.False);
    }

    [Test]
    public async Task CancelPendingRead_ends_the_read_that_waits_or_the_next_one()
    {
        var link = await OpenAsync();
        var input = link.Server.Input;
        var pending = input.ReadAsync();
        input.CancelPendingRead();
        Assert.That((await pending.Within()).IsCanceled);
        input.CancelPendingRead();
        Assert.That((await input.ReadAsync().Within()).IsCanceled);
        await link.SendAsync("abc"u8.ToArray());
        Assert.That(await ReadAsync(link.Server, 3), Is.EqualTo("abc"u8.ToArray()));
    }

    [Test]
    public async Task A_cancelled_token_ends_the_read_with_that_token_and_no_byte_is_lost()
    {
        var link = await OpenAsync();
        using var source = new CancellationTokenSource();
        var pending = link.Server.Input.ReadAsync(source.Token).AsTask();
        await source.CancelAsync();
        var error = (await Assert.CatchAsync<OperationCanceledException>(() => pending.Within()))!;
        Assert.That(error.CancellationToken, Is.EqualTo(source.Token));
        await Assert.CatchAsync<OperationCanceledException>(() => link.Server.Input.ReadAsync(source.Token).Within());
        await link.SendAsync("abc"u8.ToArray());
        Assert.That(await ReadAsync(link.Server, 3), Is.EqualTo("abc"u8.ToArray()));
    }

    [Test]
    public async Task No_byte_is_lost_when_reads_are_cancelled_all_the_time()
    {
        var link = await OpenAsync();
        var bytes = Random(200_000);
        var stop = false;
        var source = new CancellationTokenSource();
        var canceller = Task.Run(() =>
        {
            for (var turn = 0; !Volatile.Read(ref stop); turn++)
            {
                if (turn % 2 == 0)
                {
                    link.Server.Input.CancelPendingRead();
                }
                else
                {
                    Volatile.Read(ref source).Cancel();
                }

                Thread.Yield();
            }
        });
        var sender = Task.Run(async () =>
        {
            for (var at = 0; at < bytes.Length; at += 100)
            {
                await link.SendAsync(bytes.AsMemory(at, 100));
            }
        });
        var received = new MemoryStream();
        while (received.Length < bytes.Length)
        {
            try
            {
                var result = await link.Server.Input.ReadAsync(source.Token).Within();
                received.Write(result.Buffer.ToArray());
                link.Server.Input.AdvanceTo(result.Buffer.End);
            }
            catch (OperationCanceledException)
            {
                Volatile.Write(ref source, new CancellationTokenSource());
            }
        }

        Volatile.Write(ref stop, true);
        await canceller.Within();
        await sender.Within();
        Assert.That(received.ToArray(), Is.EqualTo(bytes));
    }

    [Test]
    public async Task A_second_read_is_refused_while_one_waits_and_before_AdvanceTo()
    {
        var link = await OpenAsync();
        var first = link.Server.Input.ReadAsync();
        await Assert.CatchAsync<InvalidOperationException>(() => link.Server.Input.ReadAsync().AsTask());
        Assert.Catch<InvalidOperationException>(() => link.Server.Input.TryRead(out _));
        await link.SendAsync("abc"u8.ToArray());
        var result = await first.Within();
        await Assert.CatchAsync<InvalidOperationException>(() => link.Server.Input.ReadAsync().AsTask());
        link.Server.Input.AdvanceTo(result.Buffer.End);
    }

    [Test]
    public async Task AdvanceTo_refuses_a_position_outside_and_loses_nothing()
    {
        var link = await OpenAsync();
        var input = link.Server.Input;
        Assert.Catch<InvalidOperationException>(() => input.AdvanceTo(default));
        await link.SendAsync("abc"u8.ToArray());
        var result = await input.ReadAsync().Within();
        var foreign = new ReadOnlySequence<byte>(new byte[3]);
        Assert.Multiple(() =>
        {
            Assert.Catch<ArgumentException>(() => input.AdvanceTo(foreign.Start));
            Assert.Catch<ArgumentException>(() => input.AdvanceTo(default));
            Assert.Catch<ArgumentException>(() => input.AdvanceTo(result.Buffer.Start, foreign.End));
            Assert.Catch<ArgumentException>(() => input.AdvanceTo(result.Buffer.End, result.Buffer.Start));
            Assert.Catch<ArgumentException>(() => input.AdvanceTo(new SequencePosition(result.Buffer.Start.GetObject(), 4)));
            Assert.That(result.Buffer.ToArray(), Is.EqualTo("abc"u8.ToArray()));
        });
        input.AdvanceTo(result.Buffer.Start);
        Assert.That(await ReadAsync(link.Server, 3), Is.EqualTo("abc"u8.ToArray()));
        Assert.Catch<InvalidOperationException>(() => input.AdvanceTo(result.Buffer.End));
    }

    [Test]
    public async Task A_message_of_many_blocks_is_one_sequence()
    {
        var link = await OpenAsync();
        var bytes = Random(500_000);
        var sending = link.SendAsync(bytes);
        Assert.That(await ReadAsync(link.Server, bytes.Length), Is.EqualTo(bytes));
        await sending;
        Assert.That(Rented(), Is.Zero);
    }

    [Test]
    public async Task CopyToAsync_copies_until_FIN()
    {
        var link = await OpenAsync();
        var target = new MemoryStream();
        var copying = link.Server.Input.CopyToAsync(target);
        var bytes = Random(300_000);
        await link.SendAsync(bytes);
        await link.ShutDownAsync();
        await copying.Within();
        Assert.That(target.ToArray(), Is.EqualTo(bytes));
    }

    [Test]
    public async Task Examined_but_not_consumed_bytes_beyond_the_limit_close_the_connection([Values(1000, 200_000)] int limit)
    {
        var link = await OpenAsync(readLimit: limit);
        var blocks = 0;
        var error = await Assert.CatchAsync<ConnectionClosedException>(async () =>
        {
            var sending = link.SendAsync(new byte[limit]);
            for (var asked = false; ;)
            {
                var result = await link.Server.Input.ReadAsync().Within();
                blocks = Math.Max(blocks, Rented());
                link.Server.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
                if (!asked && result.Buffer.Length == limit)
                {
                    Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.None), "the limit itself is allowed");
                    asked = true;
                    await sending;
                    await link.SendAsync(new byte[1]);
                }
            }
        });
        Assert.Multiple(() =>
        {
            Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.ReadLimit));
            Assert.That(error!.Message, Does.Contain($"{limit}"));
            Assert.That(error!.Message, Is.EqualTo(link.Server.End.Reason));
            Assert.That(blocks, Is.LessThanOrEqualTo((limit / (32 * 1024)) + 2));
        });
    }

    [Test]
    public async Task A_completed_reader_refuses_reads_and_gives_its_blocks_back()
    {
        var link = await OpenAsync();
        await link.SendAsync("abc"u8.ToArray());
        var result = await link.Server.Input.ReadAsync().Within();
        link.Server.Input.AdvanceTo(result.Buffer.Start);
        link.Server.Input.Complete();
        link.Server.Input.Complete();
        Assert.Multiple(() =>
        {
            Assert.That(Rented(), Is.Zero);
            Assert.Catch<InvalidOperationException>(() => link.Server.Input.AdvanceTo(result.Buffer.End));
        });
        await Assert.CatchAsync<InvalidOperationException>(() => link.Server.Input.ReadAsync().AsTask());
        await link.Server.Output.WriteAsync("x"u8.ToArray()).Within();
        Assert.That(await link.ReceiveAsync(1), Is.EqualTo("x"u8.ToArray()));
    }
}
