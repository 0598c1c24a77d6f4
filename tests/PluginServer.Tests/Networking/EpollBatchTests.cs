using System.Net;
using System.Net.Sockets;
using PluginServer.Networking;

namespace PluginServer.Tests.Networking;

/// <summary>In which order a loop hears of those who come, speak and leave.</summary>
[Platform("Linux")]
internal sealed class EpollBatchTests
{
    private const int Departures = 700;
    private readonly List<Socket> _clients = [];
    private readonly List<Socket> _servers = [];
    private readonly EpollBatch _batch = new();
    private Socket _listening;
    private EpollSet _epoll;

    [SetUp]
    public void Listen()
    {
        _listening = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listening.Listen(16);
        _epoll = new EpollSet();
    }

    [TearDown]
    public void Close()
    {
        _epoll.Dispose();
        _listening.Dispose();
        _clients.Concat(_servers).ToList().ForEach(socket => socket.Dispose());
        _clients.Clear();
        _servers.Clear();
    }

    /// <summary>More leave than the kernel tells of in one call, and all of them before the one that speaks.</summary>
    [Test]
    public void Who_speaks_comes_before_the_hundreds_who_left_earlier()
    {
        Enumerable.Range(0, Departures + 1).ToList().ForEach(_ => Connect());
        foreach (var (client, server) in _clients.Zip(_servers).SkipLast(1))
        {
            client.Dispose();
            Assert.That(server.Poll(TimeSpan.FromSeconds(30), SelectMode.SelectRead));
        }

        Speak();
        _batch.Fill(_epoll);
        Assert.That(_batch[0].Data, Is.EqualTo(DataOf(_servers[^1])));
        Assert.That(_batch.Count, Is.EqualTo(1 + EpollBatch.DeparturesAtOnce));
    }

    [Test]
    public void Everyone_who_left_is_told_of_once_and_whoever_speaks_meanwhile_goes_first()
    {
        Enumerable.Range(0, Departures + 1).ToList().ForEach(_ => Connect());
        _clients.SkipLast(1).ToList().ForEach(client => client.Shutdown(SocketShutdown.Send));
        var told = new List<ulong>();
        for (var turn = 0; told.Count < Departures; turn++)
        {
            Assert.That(turn, Is.LessThan(Departures), "each turn tells of someone");
            Speak();
            _batch.Fill(_epoll);
            Assert.That(_batch[0].Data, Is.EqualTo(DataOf(_servers[^1])));
            told.AddRange(Enumerable.Range(1, _batch.Count - 1).Select(index => _batch[index].Data));
        }

        Assert.That(told, Is.EquivalentTo(_servers.SkipLast(1).Select(DataOf)));
    }

    /// <summary>As a client does that has sent its request and has nothing to add.</summary>
    [Test]
    public void Who_speaks_for_the_last_time_does_not_wait_for_those_who_have_nothing_to_say()
    {
        Enumerable.Range(0, Departures + 1).ToList().ForEach(_ => Connect());
        foreach (var (client, server) in _clients.Zip(_servers).SkipLast(1))
        {
            client.Shutdown(SocketShutdown.Send);
            Assert.That(server.Poll(TimeSpan.FromSeconds(30), SelectMode.SelectRead));
        }

        Speak();
        _clients[^1].Shutdown(SocketShutdown.Send);
        _batch.Fill(_epoll);
        Assert.That(_batch[0].Data, Is.EqualTo(DataOf(_servers[^1])));
    }

    /// <summary>The kernel tells of a reset once, and it is not for the batch to hear.</summary>
    [Test]
    public void Whoever_is_asked_whether_bytes_came_still_knows_of_the_reset()
    {
        Enumerable.Range(0, Departures).ToList().ForEach(_ => Connect());
        foreach (var (client, server) in _clients.Zip(_servers))
        {
            client.LingerState = new LingerOption(enable: true, seconds: 0);
            client.Dispose();
            Assert.That(server.Poll(TimeSpan.FromSeconds(30), SelectMode.SelectRead));
        }

        _batch.Fill(_epoll);
        Assert.That(_servers.Select(server => Libc.ErrorOf(Libc.TakeError((int)server.Handle))), Is.All.EqualTo(SocketError.ConnectionReset));
    }

    [Test]
    public void It_waits_only_when_nobody_is_left_to_be_told_of()
    {
        for (var number = 0; number <= EpollBatch.DeparturesAtOnce; number++)
        {
            Connect();
            _clients[number].Dispose();
            Assert.That(_servers[number].Poll(TimeSpan.FromSeconds(30), SelectMode.SelectRead));
        }

        _batch.Fill(_epoll);
        Assert.That(_batch.Count, Is.EqualTo(EpollBatch.DeparturesAtOnce));
        _batch.Fill(_epoll);
        Assert.That(_batch.Count, Is.EqualTo(1), "the one that was left, and the kernel has no other");
    }

    private static ulong DataOf(Socket server) => (1UL << 32) | (uint)server.Handle;

    private void Connect()
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(_listening.LocalEndPoint!);
        var server = _listening.Accept();
        _clients.Add(client);
        _servers.Add(server);
        Assert.That(Libc.Control(_epoll, Libc.EpollAdd, (int)server.Handle, Libc.EpollIn | Libc.EpollReadHup | Libc.EpollEdge, DataOf(server)), Is.Zero);
    }

    private void Speak()
    {
        _clients[^1].Send(new byte[1]);
        Assert.That(_servers[^1].Poll(TimeSpan.FromSeconds(30), SelectMode.SelectRead));
    }
}
