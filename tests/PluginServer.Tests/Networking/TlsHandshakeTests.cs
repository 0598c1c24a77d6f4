using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>From a bare connection to an encrypted one, and every way in which it does not come to that.</summary>
[TestFixtureSource(typeof(TransportFactory), nameof(TransportFactory.Encrypted))]
public sealed class TlsHandshakeTests(TransportFactory factory) : TransportTests(factory)
{
    private static readonly ConnectionLimits Limits = new() { ReadLimit = 1 << 20 };

    [Test]
    public async Task Both_versions_carry_an_echo_and_are_told([Values(SslProtocols.Tls12, SslProtocols.Tls13)] SslProtocols version)
    {
        await using var link = await AuthenticateAsync(TlsCertificate.ServerOptions(), TlsCertificate.ClientOptions(version));
        var serving = link.ServeAsync(EchoAsync);
        var bytes = Random(100_000);
        var sending = link.SendAsync(bytes);
        Assert.That((await link.ReceiveAsync(bytes.Length)).AsSpan().SequenceEqual(bytes));
        await sending;
        await link.ShutDownAsync();
        Assert.That(await link.ReceiveAllAsync(), Is.Empty);
        await serving.Within();
        Assert.Multiple(() =>
        {
            Assert.That(link.Server.Tls!.Protocol, Is.EqualTo(version));
            Assert.That(link.Server.Tls!.CipherSuite.ToString(), Does.StartWith("TLS_").And.Contains(version == SslProtocols.Tls13 ? "_GCM_" : "_ECDHE_"));
            Assert.That(link.Server.End, Is.EqualTo((CloseCause.None, (string?)null)));
        });
    }

    [Test]
    public async Task What_was_agreed_on_is_told()
    {
        var server = TlsCertificate.ServerOptions();
        server.ApplicationProtocols = [SslApplicationProtocol.Http2, new SslApplicationProtocol("kv/1")];
        server.ClientCertificateRequired = true;
        var client = TlsCertificate.ClientOptions();
        client.ApplicationProtocols = [new SslApplicationProtocol("kv/1")];
        client.ClientCertificates = [TlsCertificate.Client];
        X509Certificate2 seen;
        await using (var link = await AuthenticateAsync(server, client))
        {
            seen = link.Server.Tls!.ClientCertificate!;
            Assert.Multiple(() =>
            {
                Assert.That(link.Server.Tls!.ApplicationProtocol, Is.EqualTo("kv/1"));
                Assert.That(link.Server.Tls!.ServerName, Is.EqualTo(TlsCertificate.Host));
                Assert.That(seen.Thumbprint, Is.EqualTo(TlsCertificate.Client.Thumbprint));
            });
        }

        Assert.That(seen.Handle, Is.EqualTo(nint.Zero), "it lives as long as its connection");
    }

    [Test]
    public async Task What_was_not_agreed_on_is_null()
    {
        var client = TlsCertificate.ClientOptions();
        client.TargetHost = "";
        await using var link = await AuthenticateAsync(TlsCertificate.ServerOptions(), client);
        var tls = link.Server.Tls!;
        Assert.That((tls.ApplicationProtocol, tls.ServerName, tls.ClientCertificate), Is.EqualTo(((string?)null, (string?)null, (X509Certificate2?)null)));
    }

    [Test]
    public async Task A_client_that_says_nothing_or_half_a_hello_is_waited_for_until_the_deadline([Values(0, 1, 5, 100)] int sent)
    {
        var (client, inner) = await Link.ConnectAsync(Transport, address: null, Limits);
        await using var link = new Link(client, inner);
        using var deadline = new CancellationTokenSource();
        var accepting = AcceptAsync(inner, deadline.Token);
        await link.SendAsync(await HelloAsync(sent));
        await Deadline.UntilAsync(() => inner.BytesReceived == sent, "what was sent");
        Assert.That(accepting.IsCompleted, Is.False);
        await deadline.CancelAsync();
        await Assert.CatchAsync<OperationCanceledException>(() => accepting.Within());
    }

    [Test]
    public async Task A_client_that_goes_during_the_handshake_ends_it([Values(0, 100)] int sent, [Values] bool reset)
    {
        var (client, inner) = await Link.ConnectAsync(Transport, address: null, Limits);
        await using var link = new Link(client, inner);
        var accepting = AcceptAsync(inner, CancellationToken.None);
        await link.SendAsync(await HelloAsync(sent));
        await (reset ? link.ResetAsync() : link.ShutDownAsync());
        var error = await Assert.CatchAsync<IOException>(() => accepting.Within());
        Assert.That(error, reset ? Is.InstanceOf<ConnectionClosedException>() : Is.Not.InstanceOf<ConnectionClosedException>());
    }

    [TestCase("GET / HTTP/1.1\r\n\r\n", "474554202F")]
    [TestCase("G", "47")]
    [TestCase("\u0016\u0003\u0001\u007F\u007F", "1603017F7F")]
    public async Task A_client_that_does_not_speak_TLS_is_refused_at_once(string garbage, string begin)
    {
        var (client, inner) = await Link.ConnectAsync(Transport, address: null, Limits);
        await using var link = new Link(client, inner);
        var accepting = AcceptAsync(inner, CancellationToken.None);
        await link.SendAsync(Encoding.Latin1.GetBytes(garbage));
        var error = await Assert.CatchAsync<AuthenticationException>(() => accepting.Within());
        Assert.That(error!.Message, Is.EqualTo($"The TLS handshake failed: what the peer sent is no TLS record, but begins with {begin}"));
    }

    [Test]
    public async Task A_record_that_is_no_hello_is_refused()
    {
        var (client, inner) = await Link.ConnectAsync(Transport, address: null, Limits);
        await using var link = new Link(client, inner);
        var accepting = AcceptAsync(inner, CancellationToken.None);
        await link.SendAsync(new byte[] { 22, 3, 1, 0, 4, 1, 2, 3, 4 });
        await Assert.CatchAsync<AuthenticationException>(() => accepting.Within());
    }

    [Test]
    public async Task A_client_without_a_version_in_common_is_told_by_an_alert()
    {
        var (client, inner) = await Link.ConnectAsync(Transport, address: null, Limits);
        await using var link = new Link(client, inner);
        var accepting = AcceptAsync(inner, CancellationToken.None, SslProtocols.Tls13);
        await using var session = new SslStream(new NetworkStream(client, ownsSocket: false));
        var connecting = session.AuthenticateAsClientAsync(TlsCertificate.ClientOptions(SslProtocols.Tls12));
        await Assert.CatchAsync<AuthenticationException>(() => accepting.Within());
        var told = await Assert.CatchAsync<AuthenticationException>(() => connecting.Within());
        Assert.That(told!.ToString(), Does.Contain("alert").IgnoreCase);
    }

    [Test]
    public async Task A_certificate_that_is_refused_ends_the_handshake()
    {
        var (client, inner) = await Link.ConnectAsync(Transport, address: null, Limits);
        await using var link = new Link(client, inner);
        var options = TlsCertificate.ServerOptions();
        options.ClientCertificateRequired = true;
        options.RemoteCertificateValidationCallback = static (_, _, _, _) => false;
        var accepting = TlsConnection.AuthenticateAsync(inner, (_, _, _, _) => ValueTask.FromResult(options), Limits, CancellationToken.None);
        await using var session = new SslStream(new NetworkStream(client, ownsSocket: false));
        var asked = TlsCertificate.ClientOptions();
        asked.ClientCertificates = [TlsCertificate.Client];
        var connecting = session.AuthenticateAsClientAsync(asked);
        await Assert.CatchAsync<AuthenticationException>(() => accepting.Within());
        inner.Abort(CloseCause.Reset, "refused");
        await connecting.Within().ContinueWith(static _ => { }, TaskScheduler.Default);
    }

    [Test]
    public async Task Options_that_cannot_be_had_are_no_handshake()
    {
        var (client, inner) = await Link.ConnectAsync(Transport, address: null, Limits);
        await using var link = new Link(client, inner);
        var accepting = TlsConnection.AuthenticateAsync(inner, (_, _, _, _) => throw new InvalidOperationException("no certificate"), Limits, CancellationToken.None);
        await link.SendAsync(await HelloAsync(int.MaxValue));
        var error = await Assert.CatchAsync<AuthenticationException>(() => accepting.Within());
        Assert.That(error!.Message, Is.EqualTo("The TLS handshake failed: no certificate"));
    }

    [Test]
    public async Task An_abort_ends_the_handshake()
    {
        var (client, inner) = await Link.ConnectAsync(Transport, address: null, Limits);
        await using var link = new Link(client, inner);
        var accepting = AcceptAsync(inner, CancellationToken.None);
        inner.Abort(CloseCause.Cut, "stop");
        var error = await Assert.CatchAsync<ConnectionClosedException>(() => accepting.Within());
        Assert.That(error!.Message, Is.EqualTo("stop"));
    }

    /// <summary>The client's first bytes come in the segment of its last handshake record, as those of any that does not wait.</summary>
    [Test]
    public async Task A_handshake_in_segments_of_any_size_loses_nothing_behind_it([Values(1, 3, 0)] int atMost)
    {
        using var faulty = new FaultyTransport(Transport, TimeProvider.System) { ReadAtMost = atMost };
        await using var link = await Link.OpenAsync(faulty, tls: true);
        await link.SendAsync("first"u8.ToArray());
        Assert.That(await ReadAsync(link.Server, 5), Is.EqualTo("first"u8.ToArray()));
        var serving = link.ServeAsync(EchoAsync);
        var bytes = Random(3000);
        await link.SendAsync(bytes);
        Assert.That(await link.ReceiveAsync(bytes.Length), Is.EqualTo(bytes));
        await link.ShutDownAsync();
        await serving.Within();
    }

    private async Task<Link> AuthenticateAsync(SslServerAuthenticationOptions server, SslClientAuthenticationOptions client)
    {
        var (socket, inner) = await Link.ConnectAsync(Transport, address: null, Limits);
        return await Link.AuthenticateAsync(socket, inner, Limits, server, client);
    }

    private static Task<TlsConnection> AcceptAsync(TransportConnection inner, CancellationToken deadline, SslProtocols protocols = SslProtocols.Tls12 | SslProtocols.Tls13) =>
        TlsConnection.AuthenticateAsync(inner, (_, _, _, _) => ValueTask.FromResult(TlsCertificate.ServerOptions(protocols)), Limits, deadline);

    /// <summary>The beginning of what a real client says first.</summary>
    private static async Task<byte[]> HelloAsync(int count)
    {
        var said = new MemoryStream();
        await using var session = new SslStream(said, leaveInnerStreamOpen: true);
        await Assert.CatchAsync<Exception>(() => session.AuthenticateAsClientAsync(TlsCertificate.ClientOptions()));
        return said.ToArray()[..(int)Math.Min(count, said.Length)];
    }
}
