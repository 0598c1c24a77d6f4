using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Text;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>The faults that tests plan happen as they plan them, and nothing else.</summary>
internal sealed class FaultyTransportTests
{
    private readonly ManualTime _time = new();

    [Test]
    public async Task Short_reads_and_short_writes_lose_and_change_nothing([Values(1, 7, 4096)] int atMost)
    {
        var longest = 0L;
        await using var link = await Link.OpenAsync(Faulty(faulty => (faulty.ReadAtMost, faulty.SmallSendBuffer) = (atMost, true)));
        var bytes = Random(20_000);
        var served = link.ServeAsync(async connection =>
        {
            while (true)
            {
                var result = await connection.Input.ReadAsync();
                longest = Math.Max(longest, result.Buffer.Length);
                foreach (var segment in result.Buffer)
                {
                    await connection.Output.WriteAsync(segment);
                }

                connection.Input.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                {
                    return;
                }
            }
        });
        var sent = SendAllAsync(link, bytes);
        Assert.That(await link.ReceiveAllAsync(), Is.EqualTo(bytes));
        await sent;
        await served.Within();
        Assert.That(longest, Is.LessThanOrEqualTo(atMost));
    }

    [Test]
    public async Task What_was_examined_and_not_consumed_is_shown_again_with_more()
    {
        await using var link = await Link.OpenAsync(Faulty(faulty => faulty.ReadAtMost = 3));
        await link.SendAsync("abcdefgh"u8.ToArray());
        var seen = new List<long>();
        while (seen.Count == 0 || seen[^1] < 8)
        {
            var result = await link.Server.Input.ReadAsync().Within();
            seen.Add(result.Buffer.Length);
            link.Server.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }

        Assert.That(seen, Is.EqualTo(new[] { 3, 6, 8 }));

        // Examined is everything now: the next read waits for the peer.
        var next = link.Server.Input.ReadAsync().AsTask();
        Assert.That(next.IsCompleted, Is.False);
        await link.SendAsync("i"u8.ToArray());
        var last = await next.Within();
        Assert.That(Encoding.ASCII.GetString(last.Buffer.ToArray()), Is.EqualTo("abcdefghi"));
        link.Server.Input.AdvanceTo(last.Buffer.End);
    }

    [Test]
    public async Task Reads_and_accepts_wait_for_their_time()
    {
        var transport = Faulty(faulty => (faulty.AcceptDelay, faulty.ReadDelay) = (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2)));
        var opening = Link.OpenAsync(transport);
        await Deadline.UntilAsync(() => _time.NextDue == TimeSpan.FromSeconds(1), "the accept is held back");
        _time.Advance(TimeSpan.FromSeconds(1));
        await using var link = await opening;
        await link.SendAsync("x"u8.ToArray());
        var read = link.Server.Input.ReadAsync().AsTask();
        Assert.That((read.IsCompleted, _time.NextDue), Is.EqualTo((false, TimeSpan.FromSeconds(2))));
        _time.Advance(TimeSpan.FromSeconds(2));
        link.Server.Input.AdvanceTo((await read.Within()).Buffer.End);
    }

    [Test]
    public async Task A_reset_comes_after_so_many_bytes_or_when_it_is_called_for()
    {
        var transport = Faulty(faulty => (faulty.ResetAfter, faulty.ReadAtMost) = (10, 4));
        await using var counted = await Link.OpenAsync(transport);
        transport.ResetAfter = 0;
        await using var called = await Link.OpenAsync(transport);
        await counted.SendAsync(new byte[20]);
        var shown = 0L;
        Assert.That(
            async () =>
            {
                while (true)
                {
                    var result = await counted.Server.Input.ReadAsync().Within();
                    shown += result.Buffer.Length;
                    counted.Server.Input.AdvanceTo(result.Buffer.End);
                }
            },
            Throws.InstanceOf<ConnectionClosedException>());
        Assert.That((shown, counted.Server.End.Cause), Is.EqualTo((12, CloseCause.Reset)));

        Assert.That(called.Server.End.Cause, Is.EqualTo(CloseCause.None));
        transport.ResetAll();
        Assert.That(called.Server.End.Cause, Is.EqualTo(CloseCause.Reset));
        Assert.That(async () => await called.Client.ReceiveAsync(new byte[1]).Within(), Throws.InstanceOf<SocketException>());
    }

    [Test]
    public async Task A_plan_calls_an_accept_back_that_is_under_way_and_keeps_those_who_wait()
    {
        var transport = Faulty(_ => { });
        using var listening = Link.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        var pending = transport.AcceptAsync(listening, CancellationToken.None).AsTask();
        Assert.That(pending.IsCompleted, Is.False);
        transport.FailAccepts(SocketError.NoBufferSpaceAvailable, times: 2);
        Assert.That(async () => await pending.Within(), Throws.InstanceOf<SocketException>().With.Property("SocketErrorCode").EqualTo(SocketError.NoBufferSpaceAvailable));

        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(listening.LocalEndPoint!);
        Assert.That(() => transport.TryAccept(listening), Throws.InstanceOf<SocketException>());
        using var accepted = await transport.AcceptAsync(listening, CancellationToken.None).Within();
        Assert.That(accepted.RemoteEndPoint, Is.EqualTo(client.LocalEndPoint));
        Assert.That((transport.Failed, transport.Tries), Is.EqualTo((2, 3)));

        transport.FailAcceptsWhen(tried => tried == 1 ? new InvalidOperationException("the second") : null);
        Assert.That(transport.TryAccept(listening), Is.Null);
        Assert.That(() => transport.TryAccept(listening), Throws.InvalidOperationException);
        Assert.That(transport.TryAccept(listening), Is.Null);
    }

    private static byte[] Random(int count)
    {
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }

    private static async Task SendAllAsync(Link link, byte[] bytes)
    {
        await link.SendAsync(bytes);
        link.Client.Shutdown(SocketShutdown.Send);
    }

    private FaultyTransport Faulty(Action<FaultyTransport> plan)
    {
        var transport = new FaultyTransport(DefaultTransport.Create(TimeProvider.System), _time);
        plan(transport);
        return transport;
    }
}
