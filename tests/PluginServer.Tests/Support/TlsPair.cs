using System.Buffers;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using PluginServer.Networking;

namespace PluginServer.Tests.Support;

/// <summary>The two ends of a TLS connection over loopback, the server's with credentials as an endpoint has them.</summary>
internal sealed class TlsPair(SslStream server, SslStream client) : IAsyncDisposable
{
    public SslStream Server => server;

    public SslStream Client => client;

    /// <summary>What the server showed.</summary>
    public X509Certificate2 Shown => (X509Certificate2)client.RemoteCertificate!;

    /// <summary>Of a client that trusts whatever it is shown and asks for a host.</summary>
    public static SslClientAuthenticationOptions Asking(string host = "", X509Certificate2? certificate = null) => new()
    {
        TargetHost = host,
        CertificateChainPolicy = new X509ChainPolicy { RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true },
        RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null,
        ClientCertificateContext = certificate is null ? null : SslStreamCertificateContext.Create(certificate, null, offline: true),
    };

    /// <summary>A handshake that both ends have agreed to, with a byte each way: TLS 1.3 tells a client of its refusal only after its own end.</summary>
    public static async Task<TlsPair> OpenAsync(TlsCredentials credentials, SslClientAuthenticationOptions options)
    {
        var (pair, fault, clientFault) = await TryAsync(credentials, options);
        Assert.That(fault, Is.Null);
        Assert.That(clientFault, Is.Null);
        return pair;
    }

    /// <summary>Why no connection was made.</summary>
    public static async Task<(Exception Server, Exception? Client)> FailAsync(TlsCredentials credentials, SslClientAuthenticationOptions options)
    {
        var (pair, fault, clientFault) = await TryAsync(credentials, options);
        await pair.DisposeAsync();
        Assert.That(fault, Is.InstanceOf<AuthenticationException>());
        return (fault!, clientFault);
    }

    public async ValueTask DisposeAsync()
    {
        await server.DisposeAsync();
        await client.DisposeAsync();
    }

    private static async Task<(TlsPair Pair, Exception? Server, Exception? Client)> TryAsync(TlsCredentials credentials, SslClientAuthenticationOptions options)
    {
        using var listening = new Socket(SocketType.Stream, ProtocolType.Tcp);
        listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listening.Listen();
        var connecting = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await connecting.ConnectAsync(listening.LocalEndPoint!).Within();
        var accepted = await listening.AcceptAsync().Within();
        var pair = new TlsPair(new SslStream(new NetworkStream(accepted, ownsSocket: true)), new SslStream(new NetworkStream(connecting, ownsSocket: true)));
        var asking = AskAsync(pair.Client, options);
        var serving = ServeAsync(pair.Server, credentials, await KnowsTls13Async(accepted).Within());
        return (pair, await serving.Within(), await asking.Within());
    }

    private static async Task<bool> KnowsTls13Async(Socket accepted)
    {
        // More than any client's first message takes.
        var bytes = new byte[16_384];
        bool? known = null;
        while (known is null)
        {
            var count = await accepted.ReceiveAsync(bytes, SocketFlags.Peek);
            known = ClientHello.KnowsTls13(new ReadOnlySequence<byte>(bytes, 0, count));
        }

        return known.Value;
    }

    private static async Task<Exception?> ServeAsync(SslStream server, TlsCredentials credentials, bool knowsTls13)
    {
        try
        {
            await server.AuthenticateAsServerAsync((_, hello, _, _) => ValueTask.FromResult(credentials.Select(hello.ServerName, knowsTls13)), null);
            await server.WriteAsync("!"u8.ToArray());
            await server.ReadExactlyAsync(new byte[1]);
            return null;
        }
        catch (Exception error) when (error is AuthenticationException or IOException)
        {
            await server.DisposeAsync();
            return error;
        }
    }

    private static async Task<Exception?> AskAsync(SslStream client, SslClientAuthenticationOptions options)
    {
        try
        {
            await client.AuthenticateAsClientAsync(options);
            await client.WriteAsync("?"u8.ToArray());
            await client.ReadExactlyAsync(new byte[1]);
            return null;
        }
        catch (Exception error) when (error is AuthenticationException or IOException)
        {
            return error;
        }
    }
}
