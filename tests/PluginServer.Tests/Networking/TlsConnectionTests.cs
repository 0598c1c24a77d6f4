using System.Buffers;
using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using PluginServer.Configuration;
using PluginServer.Networking;
using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>What an encrypted connection does beyond the rules that all keep.</summary>
[TestFixtureSource(typeof(TransportFactory), nameof(TransportFactory.Encrypted))]
public sealed class TlsConnectionTests(TransportFactory factory) : TransportTests(factory)
{
    private static readonly ConnectionLimits Limits = new() { ReadLimit = 1 << 20 };

    [TestCase("GET / HTTP/1.1\r\n\r\n", "what the peer sent is no TLS record, but begins with 474554202F")]
    [TestCase("\u0017\u0003\u0003\u0000\u0020AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "error")]
    public async Task Garbage_behind_the_handshake_ends_the_connection_as_a_reset(string garbage, string says)
    {
        var link = await OpenAsync();
        var closed = link.Server.Closed;
        var read = link.Server.Input.ReadAsync().AsTask();
        await SendRawAsync(link, Encoding.Latin1.GetBytes(garbage));
        var error = await Assert.CatchAsync<ConnectionClosedException>(() => read.Within());
        await Deadline.CancelledAsync(closed);
        Assert.Multiple(() =>
        {
            Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.Reset));
            Assert.That(error!.Message, Is.EqualTo(link.Server.End.Reason));
            Assert.That(error!.Message, Does.StartWith("The peer broke the rules of TLS: ").And.Contains(says));
        });
        Assert.Catch<ConnectionClosedException>(() => link.Server.Input.TryRead(out _));
        await Assert.CatchAsync<ConnectionClosedException>(() => link.Server.Output.FlushAsync().AsTask());
        await AssertResetAsync(link.DiscardAllAsync());
    }

    [Test]
    public async Task FIN_in_the_middle_of_a_record_is_no_end_of_the_stream()
    {
        var link = await OpenAsync();
        var read = link.Server.Input.ReadAsync().AsTask();
        await SendRawAsync(link, [23, 3, 3, 1, 0, 1, 2, 3]);
        link.Client.Shutdown(SocketShutdown.Send);
        var error = await Assert.CatchAsync<ConnectionClosedException>(() => read.Within());
        Assert.That(error!.Message, Is.EqualTo("The peer broke the rules of TLS: FIN came in the middle of a record."));
    }

    [Test]
    public async Task FIN_without_close_notify_is_the_end_of_the_stream()
    {
        var link = await OpenAsync();
        await link.SendAsync("last"u8.ToArray());
        link.Client.Shutdown(SocketShutdown.Send);
        Assert.That(await ReadAsync(link.Server, 4), Is.EqualTo("last"u8.ToArray()));
        var end = await link.Server.Input.ReadAsync().Within();
        Assert.That(end is { IsCompleted: true, Buffer.IsEmpty: true });
        await link.Server.Output.WriteAsync("answer"u8.ToArray()).Within();
        Assert.That(await link.ReceiveAsync(6), Is.EqualTo("answer"u8.ToArray()));
    }

    /// <summary>The peer may wait for an answer before it closes.</summary>
    [Test]
    public async Task Close_notify_is_the_end_of_the_stream_although_no_FIN_comes([Values] bool alone)
    {
        var link = await OpenAsync();
        if (!alone)
        {
            await link.SendAsync("last"u8.ToArray());
        }

        await link.CloseSessionAsync();
        if (!alone)
        {
            Assert.That(await ReadAsync(link.Server, 4), Is.EqualTo("last"u8.ToArray()));
        }

        var end = await link.Server.Input.ReadAsync().Within();
        Assert.That(end is { IsCompleted: true, Buffer.IsEmpty: true });
        link.Server.Input.AdvanceTo(end.Buffer.End);
        Assert.That(link.Server.Input.TryRead(out end) && end.IsCompleted);
        await link.Server.Output.WriteAsync("answer"u8.ToArray()).Within();
        Assert.That(await link.ReceiveAsync(6), Is.EqualTo("answer"u8.ToArray()));
    }

    [Test]
    public async Task Close_notify_comes_before_FIN([Values(SslProtocols.Tls12, SslProtocols.Tls13)] SslProtocols version, [Values] bool completes)
    {
        var spy = new RecordSpy();
        var (client, inner) = await Link.ConnectAsync(Transport, address: null, Limits);
        await using var link = await Link.AuthenticateAsync(client, inner, Limits, clientOptions: TlsCertificate.ClientOptions(version), spy: spy);
        link.Server.Output.Write("bye"u8);
        var finishing = completes ? link.Server.Output.CompleteAsync().AsTask() : link.FinishAsync();
        Assert.That(await link.ReceiveAllAsync(), Is.EqualTo("bye"u8.ToArray()));

        // SslStream does not read on, so whoever wants to see FIN has to.
        Assert.That(spy.Ended, Is.False, "the client knows of the end before FIN");
        Assert.That(await spy.ReadAsync(new byte[100]).Within(), Is.Zero);

        // An alert is two bytes; TLS 1.3 hides its type in a third one, and adds the 16 of the cipher.
        var (type, length) = spy.Records()[^1];
        Assert.That(type, Is.EqualTo(version == SslProtocols.Tls13 ? RecordSpy.ApplicationData : RecordSpy.Alert));
        Assert.That(length, version == SslProtocols.Tls13 ? Is.EqualTo(19) : Is.GreaterThan(2));
        if (completes)
        {
            await finishing.Within();
            await link.SendAsync("still"u8.ToArray());
            Assert.That(await ReadAsync(link.Server, 5), Is.EqualTo("still"u8.ToArray()));
        }

        client.Dispose();
        await finishing.Within();
    }

    [TestCase(1000, 10, 1)]
    [TestCase(1, 40_000, 3)]
    [TestCase(4, 8192, 2)]
    public async Task What_was_written_in_small_pieces_is_sent_in_few_records(int writes, int size, int records)
    {
        var spy = new RecordSpy();
        var (client, inner) = await Link.ConnectAsync(Transport, address: null, Limits);
        await using var link = await Link.AuthenticateAsync(client, inner, Limits, spy: spy);
        await link.Server.Output.WriteAsync("x"u8.ToArray()).Within();
        await link.ReceiveAsync(1);
        var before = spy.Records().Count;
        for (var write = 0; write < writes; write++)
        {
            link.Server.Output.Write(new byte[size]);
        }

        await link.Server.Output.FlushAsync().Within();
        await link.ReceiveAsync(writes * size);
        Assert.That(spy.Records().Count - before, Is.EqualTo(records));
    }

    [Test]
    public async Task A_small_body_goes_into_the_record_of_its_head_and_a_large_one_is_not_copied()
    {
        var spy = new RecordSpy();
        var (client, inner) = await Link.ConnectAsync(Transport, address: null, Limits);
        await using var link = await Link.AuthenticateAsync(client, inner, Limits, spy: spy);
        await link.Server.Output.WriteAsync("x"u8.ToArray()).Within();
        await link.ReceiveAsync(1);
        var before = spy.Records().Count;
        link.Server.Output.Write("head"u8);
        await link.Server.Output.WriteAsync("body"u8.ToArray()).Within();
        Assert.That(await link.ReceiveAsync(8), Is.EqualTo("headbody"u8.ToArray()));
        Assert.That(spy.Records().Count - before, Is.EqualTo(1));
        link.Server.Output.Write("head"u8);
        await link.Server.Output.WriteAsync(new byte[16 * 1024]).Within();
        await link.ReceiveAsync(4 + (16 * 1024));
        Assert.That(spy.Records().Count - before, Is.EqualTo(3));
    }

    [Test]
    public async Task Ten_MiB_go_both_ways_at_once()
    {
        var link = await OpenAsync(readLimit: 32 << 20);
        var (there, back) = (Random(10 << 20), Random((10 << 20) + 1));
        var serving = link.ServeAsync(async connection =>
        {
            var writing = connection.Output.WriteAsync(back).AsTask();
            Assert.That((await ReadAsync(connection, there.Length)).AsSpan().SequenceEqual(there));
            await writing;
        });
        var sending = Task.Run(() => link.SendAsync(there));
        Assert.That((await link.ReceiveAsync(back.Length)).AsSpan().SequenceEqual(back));
        await sending;
        await link.ShutDownAsync();
        await serving.Within();
        Assert.That(link.Server.End.Cause, Is.EqualTo(CloseCause.None));
    }

    [Test]
    public async Task No_byte_is_lost_or_repeated_when_flushes_are_cancelled_all_the_time()
    {
        const int Pieces = 200;
        using var faulty = new FaultyTransport(Transport, TimeProvider.System) { SmallSendBuffer = true };
        await using var link = await Link.OpenAsync(faulty, tls: true);
        var pieces = Enumerable.Range(0, Pieces).Select(turn => Random(1 + (turn * 977 % 100_000))).ToList();
        var serving = link.ServeAsync(async connection =>
        {
            for (var turn = 0; turn < Pieces; turn++)
            {
                using var source = new CancellationTokenSource();
                var copy = (byte[])pieces[turn].Clone();
                if (turn % 3 == 0)
                {
                    connection.Output.Write(copy.AsSpan(0, copy.Length / 2));
                    copy = copy[(copy.Length / 2)..];
                }

                var flush = connection.Output.WriteAsync(copy, source.Token);
                try
                {
                    if (turn % 2 == 0)
                    {
                        await source.CancelAsync();
                    }
                    else
                    {
                        connection.Output.CancelPendingFlush();
                    }

                    await flush;
                }
                catch (OperationCanceledException)
                {
                    // It was still waiting.
                }

                // The source is the caller's again.
                copy.AsSpan().Clear();
            }
        });
        var expected = pieces.SelectMany(static piece => piece).ToArray();
        Assert.That((await link.ReceiveAsync(expected.Length)).AsSpan().SequenceEqual(expected));
        await link.ShutDownAsync();
        await serving.Within();
    }

    [Test]
    public async Task A_handler_runs_and_goes_on_where_events_are_handled()
    {
        var link = await OpenAsync();
        var pooled = new List<bool>();
        var owner = new Handshake();
        owner.Work = async () =>
        {
            while (true)
            {
                var result = await link.Server.Input.ReadAsync();
                pooled.Add(Thread.CurrentThread.IsThreadPoolThread);
                await link.Server.Output.WriteAsync(result.Buffer.ToArray());
                link.Server.Input.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                {
                    owner.Done.SetResult(link.Server);
                    return;
                }
            }
        };
        link.Server.Start(owner);
        for (var turn = 0; turn < 20; turn++)
        {
            await link.SendAsync(new byte[10]);
            await link.ReceiveAsync(10);
        }

        await link.ShutDownAsync();
        await owner.Done.Task.Within();
        Assert.That(pooled, Has.Count.GreaterThan(20));

        // Who goes on beside the loop, because its thread was replaced meanwhile, may find its wait ended before it has begun.
        if (Transport is not EpollTransport { Loop.Replaced: > 0 })
        {
            Assert.That(pooled, Is.All.EqualTo(Transport.Name == "sockets"));
        }
    }

    /// <summary>Close_notify is sent while records are decrypted.</summary>
    [Test]
    public async Task The_output_can_be_completed_at_any_moment_of_a_read()
    {
        var bytes = Random(200_000);
        for (var round = 0; round < 30; round++)
        {
            await using var link = await OpenOwnAsync();
            var reading = Task.Run(() => ReadAsync(link.Server, bytes.Length));
            var sending = Task.Run(() => link.SendAsync(bytes));
            var until = round * 5000;
            await Deadline.UntilAsync(() => link.Received >= until, "traffic");
            link.Server.Output.Write("bye"u8);
            await link.Server.Output.CompleteAsync().Within();
            Assert.That((await reading.Within()).AsSpan().SequenceEqual(bytes), $"round {round}");
            await sending.Within();
            Assert.That(await link.ReceiveAllAsync(), Is.EqualTo("bye"u8.ToArray()));
        }
    }

    [Test]
    public async Task Messages_of_a_byte_in_records_of_their_own_are_read_together()
    {
        var link = await OpenAsync();
        for (var turn = 0; turn < 1000; turn++)
        {
            await link.SendAsync(new[] { (byte)turn });
        }

        var bytes = await ReadAsync(link.Server, 1000);
        Assert.That(bytes, Is.EqualTo(Enumerable.Range(0, 1000).Select(static turn => (byte)turn)));
        Assert.That(Rented(), Is.Zero);
    }

    /// <summary>A message that has begun, in whole records, and the beginning of a record: neither keeps a large block while its rest is waited for.</summary>
    [Test]
    public async Task An_idle_connection_holds_no_large_block_for_half_a_message_or_record()
    {
        var link = await OpenAsync();
        await link.SendAsync("half"u8.ToArray());
        var first = await link.Server.Input.ReadAsync().Within();
        link.Server.Input.AdvanceTo(first.Buffer.Start, first.Buffer.End);
        var more = link.Server.Input.ReadAsync();
        await link.SendAsync(" and the rest"u8.ToArray());
        var whole = await more.Within();
        Assert.That(whole.Buffer.FirstSpan.SequenceEqual("half and the rest"u8));
        link.Server.Input.AdvanceTo(whole.Buffer.End);
        Assert.That(Rented(), Is.Zero);
    }

    /// <summary>The keys change in the middle of the stream, by a record that holds nothing for the handler.</summary>
    [Test]
    public async Task A_key_update_of_the_peer_is_followed()
    {
        using var listening = Link.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        using var openssl = OpenSsl($"s_client -connect 127.0.0.1:{((IPEndPoint)listening.LocalEndPoint!).Port} -tls1_3");
        try
        {
            var accepted = await Transport.AcceptAsync(listening, Deadline.Token).Within();
            var inner = Transport.Attach(accepted, Limits);
            var options = TlsCertificate.ServerOptions();
            var connection = await TlsConnection.AuthenticateAsync(inner, (_, _, _, _) => ValueTask.FromResult(options), Limits, Deadline.Token).Within();
            foreach (var line in new[] { "before\n", "K\n", "k\n", "after\n" })
            {
                await openssl.StandardInput.WriteAsync(line);
                await openssl.StandardInput.FlushAsync();
                if (line.Length == 2)
                {
                    // It would take what comes behind it for part of the command.
                    Assert.That(await UntilLineAsync(openssl.StandardError, "KEYUPDATE"), Is.True, "openssl knows no key update");
                }
                else
                {
                    Assert.That(Encoding.ASCII.GetString(await ReadAsync(connection, line.Length)), Is.EqualTo(line));
                    await connection.Output.WriteAsync(Encoding.ASCII.GetBytes("echo " + line)).Within();
                    Assert.That(await UntilLineAsync(openssl.StandardOutput, "echo " + line.Trim()), Is.True, "the echo");
                }
            }

            connection.Abort(CloseCause.Cut, "The test is over.");
            await connection.FinishAsync().Within();
        }
        finally
        {
            openssl.Kill();
        }
    }

    [Test]
    public async Task A_started_connection_is_passed_on_with_the_limits_of_its_next_owner()
    {
        var (client, inner) = await Link.ConnectAsync(Transport, address: null, new ConnectionLimits { ReadLimit = 1 });
        var options = TlsCertificate.ServerOptions();
        var handshake = new Handshake();
        handshake.Work = async () => handshake.Done.SetResult(await TlsConnection.AuthenticateAsync(inner, (_, _, _, _) => ValueTask.FromResult(options), Limits, Deadline.Token));
        inner.Start(handshake);
        await using var session = new SslStream(new NetworkStream(client, ownsSocket: false));
        await session.AuthenticateAsClientAsync(TlsCertificate.ClientOptions()).Within();
        var connection = await handshake.Done.Task.Within();
        await using var link = new Link(client, connection);
        using var draining = new CancellationTokenSource();
        var served = new Handshake { Draining = draining.Token };
        served.Work = async () =>
        {
            try
            {
                await connection.Input.ReadAsync(draining.Token);
            }
            catch (OperationCanceledException)
            {
                served.Done.SetResult(connection);
            }
        };
        connection.Start(served);
        Assert.That((connection.Owner, inner.Owner), Is.EqualTo((served, served)));
        await draining.CancelAsync();
        connection.Drained();
        await served.Done.Task.Within();
        var last = new Handshake { Dispatch = new HandlerDispatch("last", 1, DispatchKind.Own, TimeProvider.System, NullLogger.Instance) };
        var threads = new List<string?>();
        last.Work = async () =>
        {
            threads.Add(Thread.CurrentThread.Name);
            var result = await connection.Input.ReadAsync();
            threads.Add(Thread.CurrentThread.Name);
            connection.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            last.Done.SetResult(connection);
        };
        connection.Pass(last, new ConnectionLimits { ReadLimit = 3 });
        await session.WriteAsync("four"u8.ToArray());
        await last.Done.Task.Within();
        Assert.That(connection.End, Is.EqualTo((CloseCause.ReadLimit, "More than 3 bytes were received and examined but not consumed (readLimit).")));
        Assert.That(threads, Has.Count.EqualTo(2).And.All.Contains("last 1"), "it ran, and went on, where its owner's handlers do");
        Assert.Catch<NotSupportedException>(() => connection.Post("x"u8));
    }

    private static async Task SendRawAsync(Link link, byte[] bytes) => await link.Client.SendAsync(bytes).Within();

    private static Process OpenSsl(string arguments)
    {
        try
        {
            return Process.Start(new ProcessStartInfo("openssl", arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Ignore("openssl is not installed (Debian: apt install openssl).");
            throw;
        }
    }

    private static async Task<bool> UntilLineAsync(StreamReader reader, string wanted)
    {
        while (await reader.ReadLineAsync().Within() is { } line)
        {
            if (line == wanted)
            {
                return true;
            }
        }

        return false;
    }

    private sealed class Handshake : IConnectionOwner
    {
        public TaskCompletionSource<TransportConnection> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public CancellationToken Draining { get; init; }

        public HandlerDispatch? Dispatch { get; init; }

        public Func<Task> Work { get; set; } = () => Task.CompletedTask;

        public void Run() => _ = Work();
    }
}
