using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PluginServer.Testing;

/// <summary>The certificate of one host, which its clients trust and no other.</summary>
internal sealed class HostCertificate
{
    private readonly string _thumbprint;

    private HostCertificate(string thumbprint) => _thumbprint = thumbprint;

    /// <summary>Makes one, and writes it with its key to a file.</summary>
    public static HostCertificate Write(string file)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());

        // Virtual time may pass for years.
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddYears(100));
        File.WriteAllText(file, $"{certificate.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n");
        return new HostCertificate(certificate.Thumbprint);
    }

    public SslClientAuthenticationOptions For(string hostName) => new()
    {
        TargetHost = hostName,
        RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is X509Certificate2 { Thumbprint: var thumbprint } && thumbprint == _thumbprint,
    };
}
