using System.Net;
using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>What the transport in memory has of its own, beside the rules that it shares with the others.</summary>
internal sealed class MemoryTransportTests
{
    private static readonly IPEndPoint From = new(IPAddress.Parse("198.51.100.7"), 4711);
    private readonly ManualTime _time = new();
    private readonly MemoryTransport _transport = new(TimeProvider.System);

    [TearDown]
    public void Close() => _transport.Dispose();

    [Test]
    public async Task Who_connects_waits_in_the_backlog_with_what_it_has_sent_and_comes_from_where_it_says()
    {
        using var listening = Link.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        using var client = new MemoryClient(_transport.Connect(listening.LocalEndPoint!, From));
        await client.WriteAsync("early"u8.ToArray()).Within();
        using var accepted = await _transport.AcceptAsync(listening, CancellationToken.None).Within();
        Assert.That((accepted.RemoteEndPoint, accepted.LocalEndPoint), Is.EqualTo(((EndPoint)From, listening.LocalEndPoint)));
        Assert.That((accepted.Number, accepted.IsNonBlocking), Is.EqualTo((-1, true)));
        accepted.SetOption(SocketOptionLevel.Tcp, SocketOptionName.NoDelay, 1);
        var server = _transport.Attach(accepted, new ConnectionLimits { ReadLimit = 1 << 20 });
        Assert.That((await server.Input.ReadAsync().Within()).Buffer.Length, Is.EqualTo(5));
        Assert.That(() => _transport.Attach(accepted, server.Limits), Throws.InstanceOf<ObjectDisposedException>());
        server.Abort(CloseCause.Cut, "over");
        await server.FinishAsync().Within();
    }

    [Test]
    public async Task A_closed_endpoint_resets_who_waits_and_refuses_who_comes_until_somebody_listens_there_again()
    {
        var listening = Link.Listen(new IPEndPoint(IPAddress.Loopback, 0));
        var address = (IPEndPoint)listening.LocalEndPoint!;
        using var waiting = new MemoryClient(_transport.Connect(address, From));
        _transport.Close(listening);
        _transport.Close(listening);
        Assert.That(async () => await waiting.ReadAsync(new byte[1]).Within(), Throws.InstanceOf<IOException>().With.InnerException.Property("SocketErrorCode").EqualTo(SocketError.ConnectionReset));
        Assert.That(() => _transport.Connect(address, From), Throws.InstanceOf<SocketException>().With.Property("SocketErrorCode").EqualTo(SocketError.ConnectionRefused));
        using var again = Link.Listen(address);
        var accepting = _transport.AcceptAsync(again, CancellationToken.None).AsTask();
        using var client = new MemoryClient(_transport.Connect(address, From));
        (await accepting.Within()).Dispose();
        Assert.That(await client.ReadAsync(new byte[1]).Within(), Is.Zero, "an accepted one that is disposed of is closed in order");
    }

    [Test]
    public void There_is_no_descriptor_to_give_away()
    {
        var (_, server) = MemorySocket.Pair(_time);
        using var accepted = new MemoryAccepted(server, new ConnectionAddress(From), new ConnectionAddress(From));
        Assert.That(accepted.TakeSocket, Throws.InstanceOf<NotSupportedException>().With.Message.Contains("has no descriptor"));
        Assert.That(() => accepted.TakeDescriptor(), Throws.InstanceOf<NotSupportedException>());
    }

    [Test]
    public void What_is_on_the_wire_is_counted_until_the_peer_has_it()
    {
        var (client, server) = MemorySocket.Pair(_time);
        client.Send(new byte[10], out _);
        server.Send(new byte[7], out _);
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.That(server.Wire, Is.EqualTo(new WireInfo(10, TimeSpan.FromSeconds(3))), "the peer has not received the 7");
        client.Receive(new byte[4], out _);
        Assert.That(server.Wire.Bytes, Is.EqualTo(14));
        client.Close(reset: false);
        Assert.That(server.Wire.Bytes, Is.EqualTo(14), "what nobody took");
    }

    [Test]
    public void Bytes_have_room_up_to_the_limit_and_keep_their_order_around_the_ring([Values(1, 1000, 100_000)] int piece)
    {
        var (client, server) = MemorySocket.Pair(_time);
        var room = 0;
        client.Follow(news => room += news == MemoryNews.Room ? 1 : 0);
        Assert.That(client.Send(new byte[MemorySocket.Capacity + 1], out var error), Is.EqualTo(MemorySocket.Capacity));
        Assert.That((error, client.Send(new byte[1], out error), room), Is.EqualTo((SocketError.Success, 0, 0)));
        Assert.That(server.Receive(new byte[MemorySocket.Capacity - 10], out error), Is.EqualTo(MemorySocket.Capacity - 10));
        Assert.That(room, Is.EqualTo(1));
        server.Receive(new byte[10], out error);
        byte next = 0, expected = 0;
        for (var turn = 0; turn < 20; turn++)
        {
            var sent = Enumerable.Range(0, piece).Select(_ => next++).ToArray();
            Assert.That(client.Send(sent, out error), Is.EqualTo(piece));
            var received = new byte[(piece / 2) + 1];
            for (int count, left = piece; left > 0; left -= count)
            {
                count = server.Receive(received, out error);
                Assert.That(received.Take(count).All(value => value == expected++), $"turn {turn}");
            }
        }

        Assert.That(server.Receive(new byte[1], out error), Is.EqualTo(-1));
    }

    [Test]
    public void A_segment_size_cuts_what_is_received_and_tells_of_each_piece()
    {
        var (client, server) = MemorySocket.Pair(_time);
        var arrivals = 0;
        server.Follow(news => arrivals += (news & MemoryNews.Arrival) != 0 ? 1 : 0);
        client.SegmentSize = 2;
        client.Send(new byte[5], out _);
        var before = arrivals;
        var pieces = Enumerable.Range(0, 3).Select(_ => server.Receive(new byte[100], out var _)).ToList();
        Assert.That((pieces, arrivals - before), Is.EqualTo((new List<int> { 2, 2, 1 }, 2)));
        client.SegmentSize = 0;
        client.Send(new byte[5], out _);
        Assert.That(server.Receive(new byte[100], out _), Is.EqualTo(5));
    }

    [Test]
    public void What_is_sent_to_nobody_is_answered_by_a_reset_and_a_closed_end_says_so()
    {
        var (client, server) = MemorySocket.Pair(_time);
        client.Close(reset: false);
        Assert.That((server.Receive(new byte[1], out var error), error), Is.EqualTo((0, SocketError.Success)), "FIN");
        Assert.That((server.Send(new byte[3], out error), error), Is.EqualTo((3, SocketError.Success)));
        Assert.That((server.Send(new byte[3], out error), error), Is.EqualTo((0, SocketError.ConnectionReset)));
        Assert.That(server.ShutDownSending(), Is.EqualTo(SocketError.ConnectionReset));
        Assert.That((client.Send(new byte[1], out error), error), Is.EqualTo((0, SocketError.OperationAborted)));
        Assert.That((client.Receive(new byte[1], out error), error), Is.EqualTo((-1, SocketError.OperationAborted)));
        Assert.That(client.ShutDownSending(), Is.EqualTo(SocketError.OperationAborted));
    }

    [Test]
    public void After_FIN_nothing_is_sent()
    {
        var (client, _) = MemorySocket.Pair(_time);
        Assert.That(client.ShutDownSending(), Is.EqualTo(SocketError.Success));
        Assert.That((client.Send(new byte[1], out var error), error), Is.EqualTo((0, SocketError.Shutdown)));
    }

    [Test]
    public async Task A_client_that_is_disposed_of_while_it_waits_learns_of_it()
    {
        var (end, _) = MemorySocket.Pair(_time);
        var client = new MemoryClient(end);
        var reading = client.ReadAsync(new byte[1]).AsTask();
        await client.DisposeAsync();
        Assert.That(async () => await reading.Within(), Throws.InstanceOf<IOException>().With.InnerException.Property("SocketErrorCode").EqualTo(SocketError.OperationAborted));
    }
}
