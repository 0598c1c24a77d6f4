using System.Net.Security;
using System.Net.Sockets;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>An endpoint that speaks TLS, with certificates of authorities that its clients know.</summary>
internal sealed class TlsSite(string transport) : IDisposable
{
    private static readonly Lazy<TestCertificate> Root = new(() => TestCertificate.Authority("Root"));
    private static readonly Lazy<TestCertificate> Clients = new(() => TestCertificate.Authority("Clients"));

    public CertificateFiles Files { get; } = new();

    public Workspace Workspace { get; } = new Workspace().With("Behaviours");

    /// <summary>The authority of the servers' certificates, for a client to trust.</summary>
    public string Authority => Files["root.pem"];

    /// <summary>Makes the section's own certificate, which is of default.example, and what the tests refer to.</summary>
    public TlsSite Fill()
    {
        Files.WritePair(TestCertificate.Make("default.example", Root.Value, TestCertificate.NewRsa));
        Add("www.example.org");
        Add("*.example.org");
        Files.Write("root.pem", Root.Value.Pem);
        Files.Write("clients.pem", Clients.Value.Pem);
        return this;
    }

    /// <summary>A certificate of a host, with its key, in a file that is named after it.</summary>
    public void Add(string host)
    {
        var certificate = Issue(host);
        Files.Write($"{host.Replace('*', '_')}.pem", certificate.Pem, certificate.KeyPem);
    }

    /// <summary>A certificate of a host that no file has yet.</summary>
    public static TestCertificate Issue(string host) => TestCertificate.Make(host, Root.Value);

    /// <summary>A certificate of a client, with its key, in one file: of the authority that the server knows, or of another one.</summary>
    public string AddClient(string name, bool isKnown)
    {
        var certificate = TestCertificate.Make(name, isKnown ? Clients.Value : TestCertificate.Authority("Others"), usage: TestCertificate.ForClients);
        return Files.Write($"{name}.client.pem", certificate.Pem, certificate.KeyPem);
    }

    public Workspace Configure(string section = "", string more = "", string handler = "TlsHandler", string? unix = null)
    {
        var where = unix is null ? "\"address\": \"127.0.0.1\", \"port\": 0" : $"\"unix\": \"{unix}\"";
        return Workspace.Configure($$"""
            [ { "name": "test", {{where}}, "plugin": "Behaviours", "handler": "{{handler}}", "transport": "{{transport}}"{{more}},
                "tls": { "certificate": "{{Files["cert.pem"]}}", "key": "{{Files["key.pem"]}}"{{section}} } } ]
            """);
    }

    public Task<TestServer> StartAsync(string section = "", string more = "", string handler = "TlsHandler", TimeProvider? time = null) =>
        TestServer.StartAsync(Configure(section, more, handler), time, keep: true);

    /// <summary>The entries of hosts that were added.</summary>
    public string Hosts(params string[] hosts) =>
        $", \"sni\": [ {string.Join(", ", hosts.Select(host => $"{{ \"host\": \"{host}\", \"certificate\": \"{Files[$"{host.Replace('*', '_')}.pem"]}\" }}"))} ]";

    /// <summary>A client of the framework's, after its handshake.</summary>
    public static async Task<SslStream> EnterAsync(Client client, string host = "default.example")
    {
        var stream = new SslStream(new NetworkStream(client.Socket, ownsSocket: false));
        try
        {
            await stream.AuthenticateAsClientAsync(TlsPair.Asking(host), Deadline.Token);
            return stream;
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <summary>What a client of the framework's sends first.</summary>
    public static byte[] Hello()
    {
        using var sent = new FirstWords();
        using var stream = new SslStream(sent);
        Assert.That(async () => await stream.AuthenticateAsClientAsync(TlsPair.Asking("default.example")), Throws.InstanceOf<IOException>());
        return sent.ToArray();
    }

    public void Dispose()
    {
        Files.Dispose();
        Workspace.Dispose();
    }

    /// <summary>Takes what is written, and has nothing to read.</summary>
    private sealed class FirstWords : MemoryStream
    {
        public override int Read(Span<byte> buffer) => 0;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => ValueTask.FromResult(0);
    }
}
