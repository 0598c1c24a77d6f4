using System.Net;
using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>A real client socket and the server's side of it.</summary>
internal sealed class Link(Socket client, TransportConnection server) : IAsyncDisposable
{
    private Task? _finished;
    private bool _served;

    public Socket Client => client;

    public TransportConnection Server => server;

    /// <summary>Of loopback TCP where no address is given; the file of a Unix socket is gone once it is open.</summary>
    public static async Task<Link> OpenAsync(Transport transport, EndPoint? address = null, int readLimit = 1 << 20)
    {
        using var listening = Listen(address ?? new IPEndPoint(IPAddress.Loopback, 0));
        var dual = IPAddress.IPv6Any.Equals((address as IPEndPoint)?.Address);
        var client = new Socket(dual ? AddressFamily.InterNetwork : listening.AddressFamily, SocketType.Stream, listening.ProtocolType);
        if (client.ProtocolType == ProtocolType.Tcp)
        {
            client.NoDelay = true;
        }

        // Not ConnectAsync, after which even the client's own calls would allocate. The backlog answers at once.
        client.Connect(dual ? new IPEndPoint(IPAddress.Loopback, ((IPEndPoint)listening.LocalEndPoint!).Port) : listening.LocalEndPoint!);
        if (address is UnixDomainSocketEndPoint)
        {
            File.Delete(address.ToString()!);
        }

        var accepted = await transport.AcceptAsync(listening, CancellationToken.None).Within();
        if (client.ProtocolType == ProtocolType.Tcp)
        {
            accepted.SetOption(SocketOptionLevel.Tcp, SocketOptionName.NoDelay, 1);
        }

        return new Link(client, transport.Attach(accepted, new ConnectionLimits { ReadLimit = readLimit }));
    }

    public static Socket Listen(EndPoint address)
    {
        var unix = address.AddressFamily == AddressFamily.Unix;
        var listening = new Socket(address.AddressFamily, SocketType.Stream, unix ? ProtocolType.Unspecified : ProtocolType.Tcp);
        if (IPAddress.IPv6Any.Equals((address as IPEndPoint)?.Address))
        {
            listening.DualMode = true;
        }

        listening.Bind(address);
        listening.Listen(128);
        listening.Blocking = false;
        return listening;
    }

    /// <summary>The end of the handler, once.</summary>
    public Task FinishAsync() => _finished ??= server.FinishAsync();

    /// <summary>Runs a handler as the host does: without the synchronisation context of a test.</summary>
    public Task ServeAsync(Func<TransportConnection, Task> handler)
    {
        _served = true;
        return Task.Run(async () =>
        {
            try
            {
                await handler(server);
            }
            catch (ConnectionClosedException)
            {
                // Not a fault of the handler.
            }

            await FinishAsync();
        });
    }

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await client.SendAsync(bytes).Within()..];
        }
    }

    public async Task<byte[]> ReceiveAsync(int count)
    {
        var bytes = new byte[count];
        for (var at = 0; at < count;)
        {
            var received = await client.ReceiveAsync(bytes.AsMemory(at)).Within();
            Assert.That(received, Is.GreaterThan(0), $"the stream ended after {at} of {count} bytes");
            at += received;
        }

        return bytes;
    }

    /// <summary>What still comes, up to the server's FIN.</summary>
    public async Task<byte[]> ReceiveAllAsync()
    {
        var all = new MemoryStream();
        var buffer = new byte[256 * 1024];
        while (await client.ReceiveAsync(buffer.AsMemory()).Within() is > 0 and var received)
        {
            all.Write(buffer, 0, received);
        }

        return all.ToArray();
    }

    /// <summary>Reads what still comes, up to the server's FIN, and keeps none of it.</summary>
    public async Task DiscardAllAsync()
    {
        var buffer = new byte[256 * 1024];
        while (await client.ReceiveAsync(buffer.AsMemory()).Within() > 0)
        {
        }
    }

    /// <summary>The client goes away by a reset; over a Unix socket, while a handler runs, maybe in order.</summary>
    public async Task ResetAsync()
    {
        if (client.AddressFamily != AddressFamily.Unix)
        {
            client.LingerState = new LingerOption(true, 0);
        }
        else if (client.Available == 0 && !_served)
        {
            // A Unix socket resets its peer when it is closed with something unread (unix_release_sock in Linux's af_unix.c).
            try
            {
                await server.Output.WriteAsync(new byte[1]).Within();
            }
            catch (ConnectionClosedException)
            {
                // There is nobody to reset.
            }
        }

        client.Dispose();
    }

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        server.Abort(CloseCause.Cut, "The test is over.");
        await FinishAsync().Within();
    }
}
