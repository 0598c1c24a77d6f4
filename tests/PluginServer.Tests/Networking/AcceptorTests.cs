using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>What an accept error does, and what it does not.</summary>
internal sealed class AcceptorTests
{
    [Test]
    public void Every_socket_error_has_its_kind()
    {
        var kinds = Enum.GetValues<SocketError>().Distinct().ToLookup(AcceptFaults.Classify);
        Assert.That(kinds[AcceptFault.Stop], Does.Contain(SocketError.OperationAborted).And.Contain(SocketError.NotSocket));
        Assert.That(kinds[AcceptFault.Continue], Does.Contain(SocketError.ConnectionAborted).And.Contain(SocketError.ConnectionReset));
        Assert.That(kinds[AcceptFault.BackOff], Does.Contain(SocketError.TooManyOpenSockets).And.Contain(SocketError.NoBufferSpaceAvailable).And.Contain(SocketError.SocketError));
    }

    [Test]
    public async Task An_acceptor_that_dies_is_replaced_and_the_next_client_served()
    {
        var transport = new FaultyTransport();
        await using var server = await StartAsync(transport);
        using var before = await server.ConnectAsync();
        await AssertEchoAsync(before);

        transport.Next = () => new InvalidOperationException("a bug of ours");
        using var during = await server.ConnectAsync();
        await Deadline.UntilAsync(() => server.Endpoint().Counters.AcceptorRestarts > 0, "replaced");
        using var after = await server.ConnectAsync();
        await AssertEchoAsync(after);
        await AssertEchoAsync(before);
        Assert.That(server.Log, Has.Some.Contains("the acceptor failed and is replaced").And.Some.Contains("a bug of ours"));
        Assert.That(server.Endpoint().Places.Taken, Is.LessThanOrEqualTo(server.Endpoint().Connections.Count + 1), "the dead acceptor's place came back");
    }

    [TestCase(SocketError.TooManyOpenSockets)]
    [TestCase(SocketError.NoBufferSpaceAvailable)]
    [TestCase(SocketError.ConnectionAborted)]
    [TestCase(SocketError.AccessDenied)]
    public async Task An_accept_error_costs_no_other_connection_and_accepting_goes_on(SocketError error)
    {
        var transport = new FaultyTransport();
        await using var server = await StartAsync(transport);
        using var before = await server.ConnectAsync();
        await AssertEchoAsync(before);

        transport.Next = () => new SocketException((int)error);
        using var during = await server.ConnectAsync();
        await Deadline.UntilAsync(() => server.Endpoint().Counters.AcceptErrors > 0, "counted");
        using var after = await server.ConnectAsync();
        await AssertEchoAsync(after);
        await AssertEchoAsync(before);
        Assert.That(server.Endpoint().Counters.AcceptorRestarts, Is.Zero);
    }

    private static Task<TestServer> StartAsync(Transport transport) =>
        TestServer.StartAsync(new Workspace().With("Echo").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]"""), transport: transport);

    private static async Task AssertEchoAsync(Client client)
    {
        await client.SendAsync("hello\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
    }

    /// <summary>Accepts like the real one, and fails once when told to; the connection it had accepted is lost with it.</summary>
    private sealed class FaultyTransport : Transport
    {
        private readonly SocketTransport _real = new(TimeProvider.System);
        private Func<Exception>? _next;

        public Func<Exception>? Next
        {
            set => Volatile.Write(ref _next, value);
        }

        public override string Name => "faulty";

        public override async ValueTask<Socket> AcceptAsync(Socket listening, CancellationToken cancellationToken)
        {
            var socket = await _real.AcceptAsync(listening, cancellationToken);
            if (Interlocked.Exchange(ref _next, null) is { } next)
            {
                socket.Dispose();
                throw next();
            }

            return socket;
        }

        public override Socket? TryAccept(Socket listening) => _real.TryAccept(listening);

        public override TransportConnection Attach(Socket socket, ConnectionLimits limits) => _real.Attach(socket, limits);
    }
}
