using System.Buffers;
using System.Net;
using System.Net.Sockets;
using NUnit.Framework.Constraints;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>What the tests of a transport share: the transport, its time, and the rule that no block stays rented.</summary>
public abstract class TransportTests
{
    private readonly TransportFactory _factory;
    private readonly List<Link> _links = [];

    protected TransportTests(TransportFactory factory)
    {
        _factory = factory;
        (Transport, Rented) = _factory.Create(Time);
    }

    private protected ManualTime Time { get; } = new();

    private protected Transport Transport { get; }

    private protected bool Unix => _factory.Unix;

    private protected bool Tls => _factory.Tls;

    private protected bool Memory => Transport is MemoryTransport;

    private protected Func<int> Rented { get; }

    [TearDown]
    public async Task NothingStaysRented()
    {
        foreach (var link in _links)
        {
            await link.DisposeAsync();
        }

        Transport.Dispose();
        Assert.That(Rented(), Is.Zero, "blocks are still rented");
    }

    /// <summary>One that the test is to end, where many are opened in turn.</summary>
    private protected Task<Link> OpenOwnAsync() => Link.OpenAsync(Transport, _factory.NewAddress(), tls: Tls);

    private protected Socket Listen() => Link.Listen(_factory.NewAddress());

    /// <summary>A client in the backlog of a listening socket.</summary>
    private protected async Task<IDisposable> ConnectAsync(Socket listening)
    {
        if (Transport is MemoryTransport memory)
        {
            return new MemoryClient(memory.Connect(listening.LocalEndPoint!, new IPEndPoint(IPAddress.Loopback, 1)));
        }

        var client = new Socket(Unix ? AddressFamily.Unix : AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Unspecified);
        await client.ConnectAsync(listening.LocalEndPoint!);
        return client;
    }

    private protected async Task<Link> OpenAsync(EndPoint? address = null, int readLimit = 1 << 20)
    {
        var link = await Link.OpenAsync(Transport, address ?? _factory.NewAddress(), readLimit, Tls);
        _links.Add(link);
        return link;
    }

    /// <summary>The end of what the client receives is a reset. A Unix socket has none where the server left nothing unread.</summary>
    private protected async Task AssertResetAsync(Task receiving)
    {
        if (Unix)
        {
            await receiving;
            return;
        }

        var error = await Assert.CatchAsync<SocketException>(() => receiving);
        Assert.That(error!.SocketErrorCode, Is.EqualTo(SocketError.ConnectionReset));
    }

    /// <summary>How many bytes on the wire so many of the handler's are: as many, or somewhat more where they are encrypted.</summary>
    private protected IResolveConstraint IsOnWire(long count) => Tls ? Is.GreaterThan(count) : Is.EqualTo(count);

    /// <summary>As often as said; less often where every connection costs a handshake.</summary>
    private protected int Times(int count) => Tls ? count / 10 : count;

    private protected void OnlyWithoutTls(string because)
    {
        if (Tls)
        {
            Assert.Ignore($"Not over TLS: {because}.");
        }
    }

    private protected void OnlyWithKernel(string because)
    {
        if (Memory)
        {
            Assert.Ignore($"Not in memory: {because}.");
        }
    }

    private protected static byte[] Random(int count)
    {
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }

    internal static async Task EchoAsync(TransportConnection connection)
    {
        while (true)
        {
            var result = await connection.Input.ReadAsync();
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
    }

    /// <summary>Writes until a flush waits.</summary>
    private protected static async Task<(Task Flush, long Written)> WriteUntilHeldBackAsync(TransportConnection connection, byte[] chunk)
    {
        // The kernel goes on taking bytes for a moment, so a flush counts as held back when many looks find it waiting.
        for (var written = 0L; ;)
        {
            var flush = connection.Output.WriteAsync(chunk).AsTask();
            written += chunk.Length;
            for (var look = 0; look < 50 && !flush.IsCompleted; look++)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(2));
            }

            if (!flush.IsCompleted)
            {
                return (flush, written);
            }

            await flush;
        }
    }

    private protected static async Task<byte[]> ReadAsync(TransportConnection connection, int count)
    {
        while (true)
        {
            var result = await connection.Input.ReadAsync().Within();
            if (result.Buffer.Length >= count)
            {
                var bytes = result.Buffer.Slice(0, count).ToArray();
                connection.Input.AdvanceTo(result.Buffer.GetPosition(count));
                return bytes;
            }

            Assert.That(result.IsCompleted, Is.False, "the peer sent FIN too early");
            connection.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }
}
