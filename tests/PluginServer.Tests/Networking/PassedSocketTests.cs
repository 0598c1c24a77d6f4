using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>Whatever an endpoint does with a socket of systemd's, the manager's goes on listening and its clients are served.</summary>
[TestFixtureSource(typeof(TransportFactory), nameof(TransportFactory.OfKernel))]
[Platform("Linux")]
internal sealed class PassedSocketTests(TransportFactory factory)
{
    /// <summary>linux/socket.h; what the manager's socket has while nobody has touched it.</summary>
    private static readonly LingerOption NoLinger = new(false, 0);
    private readonly Socket _manager = new(factory.Unix ? AddressFamily.Unix : AddressFamily.InterNetwork, SocketType.Stream, factory.Unix ? ProtocolType.Unspecified : ProtocolType.Tcp);
    private Transport _transport = null!;
    private PassedSocket _passed = null!;

    private static int Rounds => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_PASSED_ROUNDS"), out var size) ? size : 200;

    [SetUp]
    public void Listen()
    {
        _transport = factory.Create(TimeProvider.System).Transport;
        _manager.Bind(factory.NewAddress());
        _manager.Listen(128);
        _passed = new PassedSocket("web", (int)_manager.SafeHandle.DangerousGetHandle());
    }

    [TearDown]
    public void Close()
    {
        _transport.Dispose();
        _manager.Dispose();
    }

    [Test]
    public async Task Who_comes_while_no_endpoint_has_it_waits_for_the_next_one()
    {
        for (var endpoint = 0; endpoint < 3; endpoint++)
        {
            using var client = await ConnectAsync();
            using var taken = _passed.Take();
            using var accepted = await _transport.AcceptAsync(taken.Socket, Deadline.Token).Within();
            using var another = await ConnectAsync();
            Assert.That(await AcceptAsync(taken.Socket), Is.True);

            // An endpoint leaves while it waits for the next client.
            using var stop = new CancellationTokenSource();
            var waiting = _transport.AcceptAsync(taken.Socket, stop.Token).AsTask();
            await stop.CancelAsync();
            Assert.That(async () => await waiting.Within(), Throws.InstanceOf<OperationCanceledException>());
        }
    }

    [Test]
    public async Task One_that_leaves_and_one_that_comes_both_serve()
    {
        using var leaving = _passed.Take();
        using var coming = _passed.Take();
        Assert.That(coming.Socket, Is.Not.SameAs(leaving.Socket));
        using var stop = new CancellationTokenSource();
        var first = _transport.AcceptAsync(leaving.Socket, stop.Token).AsTask();
        var second = _transport.AcceptAsync(coming.Socket, stop.Token).AsTask();
        using var one = await ConnectAsync();
        using var other = await ConnectAsync();
        (await first.Within()).Dispose();
        (await second.Within()).Dispose();
    }

    [Test]
    public void Given_back_twice_it_is_there_once()
    {
        var taken = _passed.Take();
        taken.Dispose();
        taken.Dispose();
        var next = _passed.Take();
        Assert.That(next.Socket, Is.SameAs(taken.Socket), "a number is never closed and used again");
        taken.Dispose();
        Assert.That(_passed.Take().Socket, Is.Not.SameAs(next.Socket));
    }

    [Test]
    public async Task One_that_is_closed_by_mistake_while_an_accept_waits_costs_the_others_nothing()
    {
        using (var taken = _passed.Take())
        {
            using var stop = new CancellationTokenSource();
            var waiting = _transport.AcceptAsync(taken.Socket, stop.Token).AsTask();
            _transport.Close(taken.Socket);
            await stop.CancelAsync();
            Assert.That(async () => await waiting.Within(), Throws.InstanceOf<OperationCanceledException>().Or.InstanceOf<SocketException>());
        }

        await AssertUntouchedAsync();
    }

    /// <summary>Each client comes at the moment in which the endpoint that could have it leaves.</summary>
    [Test]
    public async Task Nobody_is_lost_and_nothing_is_changed_by_endpoints_that_come_and_go()
    {
        var address = _manager.LocalEndPoint!;
        for (var round = 0; round < Rounds; round++)
        {
            var connecting = ConnectAsync();
            using (var taken = _passed.Take())
            {
                using var stop = new CancellationTokenSource();
                var accepting = AcceptAsync(taken.Socket, stop.Token);
                Thread.SpinWait(Random.Shared.Next(20_000));
                await stop.CancelAsync();
                using var client = await connecting.Within();
                Assert.That(await accepting.Within() || await AcceptAsync(taken.Socket), Is.True);
            }
        }

        Assert.That(_manager.LocalEndPoint, Is.EqualTo(address));
        await AssertUntouchedAsync();
    }

    /// <summary>The manager's own socket listens, sets nothing on who comes, and has its place in the file system.</summary>
    private async Task AssertUntouchedAsync()
    {
        Assert.That(_manager.LingerState, Is.EqualTo(NoLinger).Using<LingerOption>((one, other) => one.Enabled == other.Enabled && one.LingerTime == other.LingerTime));
        using var client = await ConnectAsync();
        using var next = _passed.Take();
        using (var accepted = await _transport.AcceptAsync(next.Socket, Deadline.Token).Within())
        {
            Assert.That(accepted, Is.Not.Null);
        }

        // Unread bytes there were none: the end of an orderly close, and not a reset.
        Assert.That(await client.ReceiveAsync(new byte[1], Deadline.Token), Is.Zero);
    }

    private async Task<bool> AcceptAsync(Socket listening, CancellationToken? stop = null)
    {
        try
        {
            using var accepted = await _transport.AcceptAsync(listening, stop ?? Deadline.Token);
            return true;
        }
        catch (OperationCanceledException) when (stop is not null)
        {
            return false;
        }
    }

    private async Task<Socket> ConnectAsync()
    {
        var client = new Socket(_manager.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        await client.ConnectAsync(_manager.LocalEndPoint!, Deadline.Token);
        return client;
    }
}
