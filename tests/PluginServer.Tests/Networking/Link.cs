using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>A real client and the server's side of it, over a socket or in memory; over TLS where there is a session.</summary>
internal sealed class Link(Socket? client, TransportConnection server, SslStream? session = null, TurnStream? turns = null, MemoryClient? memory = null) : IAsyncDisposable
{
    private readonly long _receivedBefore = server.BytesReceived;
    private readonly long _sentBefore = server.BytesSent;
    private Task? _finished;
    private bool _served;

    /// <summary>Where it is no client in memory.</summary>
    public Socket Client => client ?? throw new NotSupportedException("The client of this link is in memory.");

    public TransportConnection Server => server;

    /// <summary>Bytes that the server has received, encrypted ones where they are; without those of the handshake.</summary>
    public long Received => server.BytesReceived - _receivedBefore;

    /// <summary>Bytes that the server has sent, encrypted ones where they are; without those of the handshake.</summary>
    public long Sent => server.BytesSent - _sentBefore;

    /// <summary>Of loopback TCP where no address is given; the file of a Unix socket is gone once it is open.</summary>
    public static async Task<Link> OpenAsync(Transport transport, EndPoint? address = null, int readLimit = 1 << 20, bool tls = false)
    {
        var limits = new ConnectionLimits { ReadLimit = readLimit };
        if (transport is MemoryTransport inMemory)
        {
            var (end, attached) = await ConnectAsync(inMemory, address, limits);
            return tls ? await AuthenticateAsync(null, end, attached, limits) : new Link(null, attached, memory: end);
        }

        var (client, inner) = await ConnectAsync(transport, address, limits);
        return tls ? await AuthenticateAsync(client, inner, limits) : new Link(client, inner);
    }

    /// <summary>Without any handshake.</summary>
    public static async Task<(Socket Client, TransportConnection Server)> ConnectAsync(Transport transport, EndPoint? address, ConnectionLimits limits)
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

        return (client, transport.Attach(accepted, limits));
    }

    /// <summary>Both sides of a handshake.</summary>
    public static Task<Link> AuthenticateAsync(
        Socket client,
        TransportConnection inner,
        ConnectionLimits limits,
        SslServerAuthenticationOptions? serverOptions = null,
        SslClientAuthenticationOptions? clientOptions = null,
        RecordSpy? spy = null) => AuthenticateAsync(client, null, inner, limits, serverOptions, clientOptions, spy);

    private static async Task<Link> AuthenticateAsync(
        Socket? client,
        MemoryClient? memory,
        TransportConnection inner,
        ConnectionLimits limits,
        SslServerAuthenticationOptions? serverOptions = null,
        SslClientAuthenticationOptions? clientOptions = null,
        RecordSpy? spy = null)
    {
        Stream stream = memory is null ? new NetworkStream(client!, ownsSocket: false) : memory;
        var turns = new TurnStream(spy is null ? stream : spy.Over(stream));
        var session = new SslStream(turns);
        var options = serverOptions ?? TlsCertificate.ServerOptions();
        var accepting = TlsConnection.AuthenticateAsync(inner, (_, _, _, _) => ValueTask.FromResult(options), limits, CancellationToken.None);
        await session.AuthenticateAsClientAsync(clientOptions ?? TlsCertificate.ClientOptions()).Within();
        return new Link(client, await accepting.Within(), session, turns, memory);
    }

    private static async Task<(MemoryClient Client, TransportConnection Server)> ConnectAsync(MemoryTransport transport, EndPoint? address, ConnectionLimits limits)
    {
        using var listening = Listen(address ?? new IPEndPoint(IPAddress.Loopback, 0));

        // First: a socket that had the port before may have been closed, and its backlog with it.
        var accepting = transport.AcceptAsync(listening, CancellationToken.None);
        var client = new MemoryClient(transport.Connect(listening.LocalEndPoint!, new IPEndPoint(IPAddress.Loopback, 1)));
        var accepted = await accepting.Within();
        transport.Close(listening);
        return (client, transport.Attach(accepted, limits));
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
            bytes = bytes[await SendPartAsync(bytes).Within()..];
        }
    }

    /// <summary>As many bytes as are taken at once. The end is a SocketException, with TLS or without.</summary>
    public async Task<int> SendPartAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken = default)
    {
        if (session is null)
        {
            return memory is null ? await client!.SendAsync(bytes, cancellationToken) : await SendAsync(memory, bytes, cancellationToken);
        }

        return await SendAsync(session, bytes, cancellationToken);
    }

    private static async Task<int> SendAsync(Stream stream, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        try
        {
            await stream.WriteAsync(bytes, cancellationToken);
            return bytes.Length;
        }
        catch (IOException error) when (error.InnerException is SocketException or ObjectDisposedException)
        {
            throw error.InnerException;
        }
    }

    /// <summary>What has come; 0 is the server's FIN. The end is a SocketException, with TLS or without.</summary>
    public async Task<int> ReceivePartAsync(Memory<byte> bytes)
    {
        if (session is null && memory is null)
        {
            return await client!.ReceiveAsync(bytes);
        }

        try
        {
            return session is null ? await memory!.ReadAsync(bytes) : await turns!.ReadAsync(session, bytes);
        }
        catch (IOException error)
        {
            // The kernel tells of a reset once, be it to who sends, and then shows an end; in the middle of a record that is none.
            throw error.InnerException is SocketException or ObjectDisposedException ? error.InnerException : new SocketException((int)SocketError.ConnectionReset);
        }
    }

    /// <summary>The client sends close_notify, and no FIN.</summary>
    public Task CloseSessionAsync() => turns!.DoAsync(session!.ShutdownAsync).Within();

    /// <summary>The client sends FIN; over TLS, close_notify before it.</summary>
    public async Task ShutDownAsync()
    {
        if (session is not null)
        {
            await CloseSessionAsync();
        }

        if (memory is null)
        {
            client!.Shutdown(SocketShutdown.Send);
        }
        else
        {
            memory.ShutDownSending();
        }
    }

    /// <summary>The client goes away, in order where it has received all.</summary>
    public void Close()
    {
        client?.Dispose();
        memory?.Dispose();
    }

    public async Task<byte[]> ReceiveAsync(int count)
    {
        var bytes = new byte[count];
        for (var at = 0; at < count;)
        {
            var received = await ReceivePartAsync(bytes.AsMemory(at)).Within();
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
        while (await ReceivePartAsync(buffer).Within() is > 0 and var received)
        {
            all.Write(buffer, 0, received);
        }

        return all.ToArray();
    }

    /// <summary>Reads what still comes, up to the server's FIN, and keeps none of it.</summary>
    public async Task DiscardAllAsync()
    {
        var buffer = new byte[256 * 1024];
        while (await ReceivePartAsync(buffer).Within() > 0)
        {
        }
    }

    /// <summary>The client goes away by a reset; over a Unix socket, while a handler runs, maybe in order.</summary>
    public async Task ResetAsync()
    {
        if (client is null)
        {
            memory!.Reset();
            return;
        }

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
        Close();
        session?.Dispose();
        server.Abort(CloseCause.Cut, "The test is over.");
        await FinishAsync().Within();
    }
}
