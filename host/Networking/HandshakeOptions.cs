using System.Net.Security;
using System.Security.Authentication;
using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>What SslStream is told for one certificate: for clients that know TLS 1.3, and for those that do not.</summary>
/// <remarks>With a choice of cipher suites the runtime resumes no sessions, and makes an SSL_CTX for each connection, which takes 5 KiB and more.
/// Only TLS 1.2 has suites to leave out, so only its clients pay for it.</remarks>
internal sealed class HandshakeOptions
{
    public HandshakeOptions(TlsConfig config, ClientAuthorities? authorities, ServerCertificate certificate)
    {
        Newest = Options(config, authorities, certificate, SslProtocols.Tls13);

        // TLS 1.3 is among them, so that a client whose offer somebody has tampered with is told that there is more (RFC 8446, 4.1.3).
        Others = config.MinimumVersion == SslProtocols.Tls13 ? Newest : Options(config, authorities, certificate, SslProtocols.Tls12 | SslProtocols.Tls13);
        Others.CipherSuitesPolicy = Others == Newest || OperatingSystem.IsWindows() || OperatingSystem.IsAndroid() ? null : CipherSuites.Authenticated;
    }

    public SslServerAuthenticationOptions Newest { get; }

    public SslServerAuthenticationOptions Others { get; }

    private static SslServerAuthenticationOptions Options(TlsConfig config, ClientAuthorities? authorities, ServerCertificate certificate, SslProtocols protocols) => new()
    {
        ServerCertificateContext = certificate.Context,
        EnabledSslProtocols = protocols,
        ApplicationProtocols = config.Alpn.IsEmpty ? null : [.. config.Alpn.Select(name => new SslApplicationProtocol(name))],
        AllowRenegotiation = false,

        // A session keeps the client's certificate without its intermediates, so a client that has some would be refused where it returns.
        AllowTlsResume = authorities is null,
        ClientCertificateRequired = authorities is not null,
        CertificateChainPolicy = authorities?.Rules,
        RemoteCertificateValidationCallback = config.ClientCertificate == ClientCertificateKind.Allow ? static (_, certificate, _, errors) => certificate is null || errors == SslPolicyErrors.None : null,
    };
}
