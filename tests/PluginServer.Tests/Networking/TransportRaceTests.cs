using System.Buffers;
using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>What comes at the same moment, or from another thread: each once went wrong in some transport.</summary>
[TestFixtureSource(typeof(TransportFactory), nameof(TransportFactory.All))]
public sealed class TransportRaceTests(TransportFactory factory) : TransportTests(factory)
{
    private static readonly AsyncLocal<string?> Left = new();

    [Test]
    public async Task The_last_bytes_and_FIN_at_once_are_both_seen()
    {
        for (var round = 0; round < 300; round++)
        {
            await using var link = await OpenOwnAsync();
            var serving = link.ServeAsync(EchoAsync);
            var bytes = Random(1 + (round * 97 % 5000));
            var sending = link.SendAsync(bytes);
            await link.ShutDownAsync();
            await sending;
            Assert.That(await link.ReceiveAllAsync(), Is.EqualTo(bytes), $"round {round}");
            link.Close();
            await serving.Within();
        }
    }

    /// <summary>Both wait, both become ready, and whoever waits for the bytes blocks the thread that told it.</summary>
    [Test]
    public async Task A_reader_that_blocks_does_not_keep_the_writer_of_the_same_connection()
    {
        for (var round = 0; round < 5; round++)
        {
            await using var link = await OpenOwnAsync();
            var (flush, written) = await WriteUntilHeldBackAsync(link.Server, new byte[100_000]);
            using var release = new ManualResetEventSlim();
            var reading = ReadAndBlockAsync(link.Server, release);
            var receiving = link.ReceiveAsync((int)written);
            await link.SendAsync(new byte[10]);
            await receiving;
            await flush.Within();
            release.Set();
            await reading.Within();
        }
    }

    /// <summary>A handler that is no async method leaves what it sets on the thread that called it.</summary>
    [Test]
    public async Task What_a_handler_leaves_in_the_execution_context_no_other_one_sees()
    {
        var seen = new List<string?>();
        for (var round = 0; round < 20; round++)
        {
            var link = await OpenAsync();
            var started = new TaskCompletionSource();
            link.Server.Start(new Work(() =>
            {
                lock (seen)
                {
                    seen.Add(Left.Value);
                }

                Left.Value = $"of {round}";
                started.SetResult();
            }));
            await started.Task.Within();
        }

        Assert.That(seen, Is.All.Null);
    }

    /// <summary>The token fires at any moment of a read that also gets its byte: nothing is lost, and the next read is not cancelled.</summary>
    [Test]
    public async Task A_token_that_fires_late_does_not_end_the_next_read()
    {
        var link = await OpenAsync();
        for (var round = 0; round < 500; round++)
        {
            using var source = new CancellationTokenSource();
            var read = link.Server.Input.ReadAsync(source.Token).AsTask();
            var cancelling = Task.Run(source.Cancel);
            await link.SendAsync(new[] { (byte)round });
            ReadOnlySequence<byte>? bytes = null;
            try
            {
                bytes = (await read.Within()).Buffer;
            }
            catch (OperationCanceledException)
            {
                // It was first.
            }

            await cancelling;
            bytes ??= (await link.Server.Input.ReadAsync().Within()).Buffer;
            Assert.That(bytes.Value.ToArray(), Is.EqualTo(new[] { (byte)round }), $"round {round}");
            link.Server.Input.AdvanceTo(bytes.Value.End);
        }
    }

    /// <summary>A read with this token has no registration of its own: it is told, before it waits, while it begins to, or later.</summary>
    [Test]
    public async Task A_drain_at_any_moment_ends_the_read_that_waits_with_its_token()
    {
        for (var round = 0; round < 100; round++)
        {
            await using var link = await OpenOwnAsync();
            using var source = new CancellationTokenSource();
            var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            link.Server.Start(new Work(started.SetResult, source.Token));
            await started.Task.Within();
            var draining = Task.Run(() =>
            {
                source.Cancel();
                link.Server.Drained();
            });
            Thread.SpinWait(round * 20);
            Assert.That(async () => await link.Server.Input.ReadAsync(source.Token).AsTask().Within(), Throws.InstanceOf<OperationCanceledException>());
            await draining;
            await link.SendAsync(new[] { (byte)round });
            var result = await link.Server.Input.ReadAsync().Within();
            Assert.That(result.Buffer.ToArray(), Is.EqualTo(new[] { (byte)round }), $"round {round}");
            link.Server.Input.AdvanceTo(result.Buffer.End);
        }
    }

    /// <summary>The first event comes before the handler is known, at the same moment, or after it.</summary>
    [Test]
    public async Task A_handler_starts_whenever_its_first_event_has_come()
    {
        for (var round = 0; round < 100; round++)
        {
            await using var link = await OpenOwnAsync();
            Thread.SpinWait(round * 50);
            var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            link.Server.Start(new Work(started.SetResult));
            await started.Task.Within();
        }
    }

    /// <summary>Several acceptors of one socket, each of which is stopped and comes back: before it waits, while it waits, and while it is told.</summary>
    [Test]
    public async Task An_accept_that_is_cancelled_at_any_moment_loses_no_client()
    {
        OnlyWithoutTls("accepting comes before it");
        const int Clients = 200;
        using var listening = Listen();
        var address = listening.LocalEndPoint!;
        using var come = new SemaphoreSlim(0);
        using var end = new CancellationTokenSource();
        var acceptors = Enumerable.Range(0, 3).Select(acceptor => Task.Run(async () =>
        {
            for (var round = acceptor; !end.IsCancellationRequested; round++)
            {
                using var stop = CancellationTokenSource.CreateLinkedTokenSource(end.Token);
                var spins = round * 37 % 2000;
                var stopping = Task.Run(() =>
                {
                    Thread.SpinWait(spins);
                    stop.Cancel();
                });
                try
                {
                    (await Transport.AcceptAsync(listening, stop.Token)).Dispose();
                    come.Release();
                }
                catch (OperationCanceledException)
                {
                    // The next round.
                }

                await stopping;
            }
        })).ToList();
        for (var client = 0; client < Clients; client++)
        {
            using var socket = await ConnectAsync(listening);
            Assert.That(await come.WaitAsync(Deadline.Length), Is.True, $"client {client} was never accepted");
        }

        await end.CancelAsync();
        await Task.WhenAll(acceptors).Within();
        Assert.That(come.CurrentCount, Is.Zero, "more were accepted than had come");
        Transport.Close(listening);
        if (Unix)
        {
            File.Delete(address.ToString()!);
        }
    }

    /// <summary>The peer reads while the kernel refuses what is sent: the event that tells of room must find whoever is about to wait for it.</summary>
    [Test]
    public async Task Room_that_comes_at_any_moment_of_a_send_is_never_missed()
    {
        const int Piece = 100_000;
        const int Pieces = 300;
        await using var link = await OpenOwnAsync();
        if (!Memory)
        {
            link.Client.ReceiveBufferSize = 16 * 1024;
        }

        var receiving = Task.Run(() => link.ReceiveAsync(Piece * Pieces));
        var piece = new byte[Piece];
        for (var sent = 0; sent < Pieces; sent++)
        {
            await link.Server.Output.WriteAsync(piece).Within();
        }

        await receiving.Within();
    }

    [Test]
    public async Task A_reset_before_anybody_has_attached_ends_the_first_read()
    {
        OnlyWithoutTls("the first read is the handshake's");
        for (var round = 0; round < 20; round++)
        {
            using var listening = Listen();
            using (var client = await ConnectAsync(listening).Within())
            {
                if (client is Socket { AddressFamily: not AddressFamily.Unix } socket)
                {
                    socket.LingerState = new LingerOption(true, 0);
                }

                (client as MemoryClient)?.Reset();
            }

            var accepted = await Transport.AcceptAsync(listening, CancellationToken.None).Within();
            var connection = Transport.Attach(accepted, new ConnectionLimits { ReadLimit = 1 << 20 });
            try
            {
                var result = await connection.Input.ReadAsync().Within();
                Assert.That((Unix, result.IsCompleted), Is.EqualTo((true, true)), "a Unix socket's end is a FIN where nothing was unread");
                connection.Input.AdvanceTo(result.Buffer.End);
            }
            catch (ConnectionClosedException)
            {
                Assert.That(connection.End.Cause, Is.EqualTo(CloseCause.Reset));
            }

            await connection.FinishAsync().Within();
        }
    }

    [Test]
    public async Task A_reset_after_FIN_and_while_the_end_still_reads_on_is_the_end()
    {
        for (var round = 0; round < 20; round++)
        {
            await using var halfClosed = await OpenOwnAsync();
            await halfClosed.ShutDownAsync();
            var result = await halfClosed.Server.Input.ReadAsync().Within();
            halfClosed.Server.Input.AdvanceTo(result.Buffer.End);
            var closed = halfClosed.Server.Closed;
            await halfClosed.ResetAsync();
            await Assert.CatchAsync<ConnectionClosedException>(async () =>
            {
                while (true)
                {
                    await halfClosed.Server.Output.WriteAsync(new byte[1]).Within();
                }
            });
            await Deadline.CancelledAsync(closed);

            await using var lingering = await OpenOwnAsync();
            var finishing = lingering.FinishAsync();
            Assert.That(await lingering.ReceiveAllAsync(), Is.Empty);
            await lingering.ResetAsync();
            await finishing.Within();
        }
    }

    private static async Task ReadAndBlockAsync(TransportConnection connection, ManualResetEventSlim release)
    {
        var result = await connection.Input.ReadAsync().ConfigureAwait(false);
        release.Wait(Deadline.Token);
        connection.Input.AdvanceTo(result.Buffer.End);
    }

    private sealed class Work(Action run, CancellationToken draining = default) : IConnectionOwner
    {
        public CancellationToken Draining => draining;

        public void Run() => run();
    }
}
