using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PluginServer.Tests.Support;

/// <summary>Self-signed certificates, made once, and what both sides of a handshake need of them.</summary>
internal static class TlsCertificate
{
    public const string Host = "plugin-server.test";

    public static readonly X509Certificate2 Server = Create(Host);

    public static readonly X509Certificate2 Client = Create("client");

    // Made once, as a server does: the context of OpenSSL is kept with it.
    private static readonly SslStreamCertificateContext Context = SslStreamCertificateContext.Create(Server, additionalCertificates: null, offline: true);

    /// <summary>A server that takes everybody, and this certificate of a client.</summary>
    public static SslServerAuthenticationOptions ServerOptions(SslProtocols protocols = SslProtocols.Tls12 | SslProtocols.Tls13) => new()
    {
        ServerCertificateContext = Context,
        EnabledSslProtocols = protocols,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate is null || certificate.GetCertHashString() == Client.GetCertHashString(),
    };

    /// <summary>A client that believes this server, and no other.</summary>
    public static SslClientAuthenticationOptions ClientOptions(SslProtocols protocols = SslProtocols.None) => new()
    {
        TargetHost = Host,
        EnabledSslProtocols = protocols,
        RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate!.GetCertHashString() == Server.GetCertHashString(),
    };

    private static X509Certificate2 Create(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddYears(1));
    }
}
