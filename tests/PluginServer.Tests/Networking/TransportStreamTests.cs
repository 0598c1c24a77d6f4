using System.Net;
using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

[TestFixtureSource(typeof(TransportFactory), nameof(TransportFactory.All))]
public sealed class TransportStreamTests(TransportFactory factory) : TransportTests(factory)
{
    [TestCase(1, 20_000)]
    [TestCase(1024, 64 << 20)]
    [TestCase(1 << 20, 64 << 20)]
    public async Task An_echo_returns_the_same_bytes_and_FIN(int chunk, int count)
    {
        var link = await OpenAsync();
        var serving = link.ServeAsync(EchoAsync);
        var bytes = Random(count);
        var receiving = link.ReceiveAllAsync();
        for (var at = 0; at < count; at += chunk)
        {
            await link.SendAsync(bytes.AsMemory(at, Math.Min(chunk, count - at)));
        }

        await link.ShutDownAsync();
        var echoed = await receiving;
        await serving.Within();
        Assert.Multiple(() =>
        {
            Assert.That(echoed.AsSpan().SequenceEqual(bytes));
            Assert.That(link.Received, IsOnWire(count));
            Assert.That(link.Sent, IsOnWire(count));
        });
    }

    [Test]
    public async Task IPv6_and_both_on_one_socket_work([Values("::1", "::")] string address)
    {
        var link = await OpenAsync(new IPEndPoint(IPAddress.Parse(address), 0));
        var serving = link.ServeAsync(EchoAsync);
        var bytes = Random(3_000_000);
        var receiving = link.ReceiveAllAsync();
        await link.SendAsync(bytes);
        await link.ShutDownAsync();
        Assert.That((await receiving).AsSpan().SequenceEqual(bytes));
        await serving.Within();
        Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.None));
    }

    [Test]
    public async Task TryAccept_takes_what_waits_in_the_backlog_and_then_nothing()
    {
        OnlyWithoutTls("accepting comes before it");
        using var listening = Listen();
        Assert.That(Transport.TryAccept(listening), Is.Null);
        using var client = await ConnectAsync(listening).Within();
        AcceptedSocket? accepted = null;
        await Deadline.UntilAsync(() => (accepted = Transport.TryAccept(listening)) is not null, "the connection");
        accepted!.Dispose();
        Assert.That(Transport.TryAccept(listening), Is.Null);
    }

    [Test]
    public async Task AcceptAsync_ends_by_its_token_and_when_the_listener_closes()
    {
        OnlyWithoutTls("accepting comes before it");
        using var listening = Listen();
        using var source = new CancellationTokenSource();
        var first = Transport.AcceptAsync(listening, source.Token).AsTask();
        await source.CancelAsync();
        await Assert.CatchAsync<OperationCanceledException>(() => first.Within());
        var second = Transport.AcceptAsync(listening, CancellationToken.None).AsTask();
        Transport.Close(listening);
        await Assert.CatchAsync<Exception>(() => second.Within());
    }

    [Test]
    public async Task A_connection_that_comes_at_the_moment_AcceptAsync_is_cancelled_is_accepted_or_still_waits()
    {
        OnlyWithoutTls("accepting comes before it");
        using var listening = Listen();
        var accepted = 0;
        for (var round = 0; round < 1000; round++)
        {
            using var source = new CancellationTokenSource();
            var accepting = Transport.AcceptAsync(listening, source.Token).AsTask();
            var connecting = ConnectAsync(listening);
            Thread.SpinWait(round % 100 * 20);
            source.Cancel();
            using var client = await connecting.Within();
            AcceptedSocket? socket = null;
            try
            {
                socket = await accepting.Within();
                accepted++;
            }
            catch (OperationCanceledException)
            {
                await Deadline.UntilAsync(() => (socket = Transport.TryAccept(listening)) is not null, $"round {round}: the connection is not lost");
            }

            socket!.Dispose();
            Assert.That(Transport.TryAccept(listening), Is.Null, "nor is there a second one");
        }

        TestContext.Out.WriteLine($"{accepted} of 1000 were accepted in spite of the cancellation");
    }

    [Test]
    public async Task A_client_that_never_reads_costs_at_most_1_MiB_and_is_held_back()
    {
        var link = await OpenAsync();
        var serving = link.ServeAsync(EchoAsync);
        using var stop = new CancellationTokenSource();
        var sent = 0L;
        var sending = Task.Run(async () =>
        {
            var chunk = new byte[1 << 20];
            while (sent < 1L << 30)
            {
                sent += await link.SendPartAsync(chunk, stop.Token);
            }
        });
        var most = 0;
        var quiet = 0;
        for (var (last, looks) = (-1L, 0); looks < 100; looks = last == link.Server.BytesReceived ? looks + 1 : 0, last = link.Server.BytesReceived)
        {
            most = Math.Max(most, Rented());
            await Task.Delay(TimeSpan.FromMilliseconds(2));
            quiet++;
            Assert.That(quiet, Is.LessThan(10_000), "the client is not held back");
        }

        Assert.That(most * 32, Is.LessThanOrEqualTo(1024), "KiB");
        await stop.CancelAsync();
        await Assert.CatchAsync<OperationCanceledException>(() => sending.Within());
        link.Server.Abort(CloseCause.Cut, "end");
        await serving.Within();
    }

    [Test]
    public async Task No_block_stays_rented_after_thousands_of_connections_that_end_in_every_way()
    {
        await Parallel.ForAsync(0, Times(3000), new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (turn, _) =>
        {
            var random = new Random(turn);
            await using var link = await OpenOwnAsync();
            var serving = link.ServeAsync(turn % 3 == 0 ? EchoAsync : HoldAsync);
            var aborting = Task.CompletedTask;
            try
            {
                var bytes = new byte[random.Next(1, turn % 10 == 0 ? 300_000 : 3000)];
                var sending = link.SendPartAsync(bytes, CancellationToken.None).Within();
                switch (random.Next(5))
                {
                    case 0:
                        await link.ResetAsync();
                        break;
                    case 1:
                        aborting = Task.Run(() => link.Server.Abort(CloseCause.Cut, "storm"), CancellationToken.None);
                        break;
                    case 2:
                        await link.ShutDownAsync();
                        await link.ReceivePartAsync(new byte[100]).Within();
                        await link.ResetAsync();
                        break;
                    case 3:
                        aborting = Task.Run(() => link.Server.Abort(CloseCause.Cut, "storm"), CancellationToken.None);
                        await link.ResetAsync();
                        break;
                    default:
                        await link.ShutDownAsync();
                        break;
                }

                await sending;
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                // The client's side of an end that the test wanted.
            }

            link.Close();
            await aborting.Within();
            await serving.Within();
        });
        Assert.That(Rented(), Is.Zero);
    }

    [Test]
    public async Task Abort_from_another_thread_in_the_middle_of_reads_and_flushes_ends_them_and_nothing_else([Range(0, 3)] int kind)
    {
        // A witness: not one byte of the connections that end may reach it, whose descriptors are next to theirs.
        var witness = await OpenAsync();
        var witnessing = witness.ServeAsync(EchoAsync);
        var stop = false;
        var pings = Task.Run(async () =>
        {
            for (var turn = 0; !Volatile.Read(ref stop); turn++)
            {
                var ping = Random((turn % 500) + 1);
                await witness.SendAsync(ping);
                Assert.That((await witness.ReceiveAsync(ping.Length)).AsSpan().SequenceEqual(ping));
            }
        });
        for (var turn = 0; turn < 40; turn++)
        {
            await using var link = await OpenOwnAsync();
            var serving = link.ServeAsync(kind switch { 0 => EchoAsync, 1 => FloodAsync, 2 => CancelAsync, _ => BothAsync });
            var sending = Task.Run(async () =>
            {
                try
                {
                    while (true)
                    {
                        await link.SendPartAsync(new byte[5000]);
                    }
                }
                catch (Exception error) when (error is SocketException or ObjectDisposedException)
                {
                    // It was aborted, or is over.
                }
            });
            var receiving = Task.Run(async () =>
            {
                try
                {
                    while (await link.ReceivePartAsync(new byte[50_000]) > 0)
                    {
                    }
                }
                catch (Exception error) when (error is SocketException or ObjectDisposedException)
                {
                    // It was aborted, or is over.
                }
            });
            var until = turn * 2000;
            await Deadline.UntilAsync(() => link.Sent + link.Received >= until, "traffic");
            await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => Task.Run(() => link.Server.Abort(CloseCause.Cut, "storm")))).Within();
            await serving.Within();
            link.Close();
            await sending.Within();
            await receiving.Within();
        }

        Volatile.Write(ref stop, true);
        await pings.Within();
        witness.Close();
        await witnessing.Within();
    }

    private static async Task HoldAsync(TransportConnection connection)
    {
        // Keeps all it gets, and returns with it.
        while (await connection.Input.ReadAsync() is { IsCompleted: false } result)
        {
            connection.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }

        await connection.Output.WriteAsync(new byte[50]);
    }

    private static async Task FloodAsync(TransportConnection connection)
    {
        for (var chunk = new byte[200_000]; ;)
        {
            connection.Output.GetSpan(1000).Clear();
            connection.Output.Advance(1000);
            await connection.Output.WriteAsync(chunk);
        }
    }

    private static async Task BothAsync(TransportConnection connection) => await Task.WhenAll(FloodAsync(connection), connection.Input.CopyToAsync(Stream.Null));

    private static async Task CancelAsync(TransportConnection connection)
    {
        while (true)
        {
            using var source = new CancellationTokenSource();
            var cancelling = Task.Run(source.Cancel);
            try
            {
                var result = await connection.Input.ReadAsync(source.Token);
                connection.Input.AdvanceTo(result.Buffer.End);
                await connection.Output.WriteAsync(new byte[10_000], source.Token);
            }
            catch (OperationCanceledException)
            {
                await cancelling;
            }
        }
    }
}
