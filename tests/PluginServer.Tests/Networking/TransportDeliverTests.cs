using System.Buffers;
using System.Buffers.Binary;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>Messages of others, between two flushes of the handler, on every transport.</summary>
[TestFixtureSource(typeof(TransportFactory), nameof(TransportFactory.All))]
public sealed class TransportDeliverTests(TransportFactory factory) : TransportTests(factory)
{
    private const int Limit = 1 << 20;

    [Test]
    public async Task A_message_goes_out_at_once_where_nothing_is_begun()
    {
        var link = await OpenAsync();
        Assert.That(link.Server.Deliver("one"u8.ToArray(), Limit), Is.True);
        Assert.That(await link.ReceiveAsync(3), Is.EqualTo("one"u8.ToArray()));
        await link.Server.Output.WriteAsync("mine"u8.ToArray()).Within();
        Assert.That(link.Server.Deliver("two"u8.ToArray(), Limit), Is.True);
        Assert.That(await link.ReceiveAsync(7), Is.EqualTo("minetwo"u8.ToArray()));
        Assert.That(Rented(), Is.Zero);
    }

    [Test]
    public async Task What_the_handler_has_begun_comes_first_written_or_only_asked_for([Values] bool written)
    {
        var link = await OpenAsync();
        var output = link.Server.Output;
        if (written)
        {
            output.Write("mi"u8);
        }

        var memory = output.GetMemory(2);
        Assert.That(link.Server.Deliver("one"u8.ToArray(), Limit) && link.Server.Deliver("two"u8.ToArray(), Limit), Is.True);
        "ne"u8.CopyTo(memory.Span);
        output.Advance(2);
        Assert.That(link.Sent, Is.Zero);
        await output.FlushAsync().Within();
        Assert.That(await link.ReceiveAsync(written ? 10 : 8), Is.EqualTo(written ? "mineonetwo"u8.ToArray() : "neonetwo"u8.ToArray()));
        Assert.That(link.Server.Unsent, Is.Zero);
    }

    [Test]
    public async Task One_that_comes_during_a_flush_that_waits_follows_it([Values] bool cancelled)
    {
        var link = await OpenAsync();
        var chunk = Random(256 * 1024);
        var (flush, written) = await WriteUntilHeldBackAsync(link.Server, chunk);
        Assert.That(link.Server.Deliver("one"u8.ToArray(), 64 * Limit), Is.True);
        Assert.That(flush.IsCompleted, Is.False);
        if (cancelled)
        {
            link.Server.Output.CancelPendingFlush();
            await flush.Within();
        }

        var bytes = await link.ReceiveAsync((int)written + 3);
        await flush.Within();
        for (var at = 0; at < written; at += chunk.Length)
        {
            Assert.That(bytes.AsSpan(at, chunk.Length).SequenceEqual(chunk));
        }

        Assert.That(bytes.AsSpan((int)written).ToArray(), Is.EqualTo("one"u8.ToArray()));
    }

    [Test]
    public async Task What_waits_is_bounded_and_what_is_too_much_is_dropped()
    {
        var link = await OpenAsync();
        var message = Random(100_000);
        var delivered = 0;
        while (link.Server.Deliver(message, 4 * message.Length))
        {
            Assert.That(++delivered, Is.LessThan(1000), "nobody reads");
        }

        Assert.That(link.Server.Unsent, Is.InRange(3 * message.Length, Tls ? 5 * message.Length : 4 * message.Length));
        var bytes = await link.ReceiveAsync(delivered * message.Length);
        for (var at = 0; at < bytes.Length; at += message.Length)
        {
            Assert.That(bytes.AsSpan(at, message.Length).SequenceEqual(message));
        }

        await link.Server.Output.WriteAsync("mine"u8.ToArray()).Within();
        Assert.That(await link.ReceiveAsync(4), Is.EqualTo("mine"u8.ToArray()));

        link.Server.Output.Write("begun"u8);
        for (var waiting = 0; waiting < 4; waiting++)
        {
            Assert.That(link.Server.Deliver(message, 4 * message.Length), Is.True);
        }

        Assert.That(link.Server.Deliver(new byte[1], 4 * message.Length), Is.False, "what waits for the flush counts too");
    }

    [Test]
    public async Task After_the_end_it_is_dropped_in_silence([Values("completed", "finished", "aborted", "reset")] string how)
    {
        var link = await OpenAsync();
        switch (how)
        {
            case "completed":
                await link.Server.Output.CompleteAsync().Within();
                break;
            case "finished":
                await link.ShutDownAsync();
                await link.FinishAsync().Within();
                break;
            case "aborted":
                link.Server.Abort(CloseCause.Cut, "by the test");
                break;
            default:
                await link.ResetAsync();
                await Deadline.UntilAsync(() => link.Server.Deliver("one"u8.ToArray(), Limit) && link.Server.End.Cause == CloseCause.Reset, "the reset is noticed");
                return;
        }

        Assert.That(link.Server.Deliver("one"u8.ToArray(), Limit), Is.True);
        if (how == "completed")
        {
            Assert.That(await link.ReceiveAllAsync(), Is.Empty);
        }
    }

    /// <summary>Frames of a handler, written in parts and flushed as a whole, among those of others: each of them whole, each sender's in order.</summary>
    [Test]
    public async Task Many_at_once_stay_whole_and_in_order()
    {
        const int Senders = 3, Each = 300;
        var link = await OpenAsync();
        var output = link.Server.Output;
        var others = Enumerable.Range(1, Senders).Select(sender => Task.Run(() =>
        {
            for (var number = 0; number < Each; number++)
            {
                Assert.That(link.Server.Deliver(Frame(sender, number), 64 * Limit), Is.True);
            }
        })).ToList();
        var handler = Task.Run(async () =>
        {
            for (var number = 0; number < Each; number++)
            {
                var frame = Frame(0, number);
                var half = frame.Length / 2;
                output.Write(frame.AsSpan(0, half));
                await Task.Yield();
                if (number % 2 == 0)
                {
                    output.Write(frame.AsSpan(half));
                    await output.FlushAsync();
                }
                else
                {
                    await output.WriteAsync(frame.AsMemory(half));
                }
            }

            await Task.WhenAll(others);
            await output.CompleteAsync();
        });
        var all = await link.ReceiveAllAsync();
        await handler;
        var next = new int[Senders + 1];
        for (var at = 0; at < all.Length;)
        {
            var sender = all[at];
            var expected = Frame(sender, next[sender]++);
            Assert.That(all.AsSpan(at, expected.Length).SequenceEqual(expected), $"frame {next[sender] - 1} of {sender}");
            at += expected.Length;
        }

        Assert.That(next, Has.All.EqualTo(Each));
    }

    private static byte[] Frame(int sender, int number)
    {
        var frame = new byte[5 + (number * 37 % 3000)];
        frame.AsSpan().Fill((byte)number);
        frame[0] = (byte)sender;
        BinaryPrimitives.WriteInt32LittleEndian(frame.AsSpan(1), number);
        return frame;
    }
}
