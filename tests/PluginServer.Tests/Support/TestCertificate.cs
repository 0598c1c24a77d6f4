using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PluginServer.Tests.Support;

/// <summary>A certificate made for a test, with its key.</summary>
internal sealed class TestCertificate
{
    public const string ForServers = "1.3.6.1.5.5.7.3.1";
    public const string ForClients = "1.3.6.1.5.5.7.3.2";

    // Making an RSA key takes as long as a whole test.
    private static readonly Lazy<RSA> SharedRsa = new(() => RSA.Create(2048));

    private TestCertificate(X509Certificate2 certificate, AsymmetricAlgorithm key)
    {
        Certificate = certificate;
        Key = key;
    }

    /// <summary>With the key.</summary>
    public X509Certificate2 Certificate { get; }

    public AsymmetricAlgorithm Key { get; }

    public string Pem => $"{Certificate.ExportCertificatePem()}\n";

    public string KeyPem => $"{Key.ExportPkcs8PrivateKeyPem()}\n";

    public static AsymmetricAlgorithm NewRsa => SharedRsa.Value;

    /// <summary>A root of this name.</summary>
    public static TestCertificate Authority(string name, TestCertificate? by = null, double until = 3650) => Make(name, by, isAuthority: true, from: -3650, until: until);

    /// <summary>A certificate for a host, or for a client.</summary>
    /// <param name="name">Its host name; of a client any name.</param>
    /// <param name="by">Who signs it; itself where it is null.</param>
    /// <param name="key">ECDSA on P-256 where it is null.</param>
    /// <param name="from">Valid from so many days after now.</param>
    /// <param name="until">Valid until so many days after now.</param>
    /// <param name="isAuthority">Whether it may sign others.</param>
    /// <param name="usage">The one thing that it is for; null is everything.</param>
    /// <param name="hosts">More host names.</param>
    /// <param name="signer">Who signs in the authority's place.</param>
    /// <param name="web">Where its authority claims to be found, for its own certificate and for OCSP.</param>
    public static TestCertificate Make(
        string name,
        TestCertificate? by = null,
        AsymmetricAlgorithm? key = null,
        double from = -30,
        double until = 90,
        bool isAuthority = false,
        string? usage = null,
        string[]? hosts = null,
        X509SignatureGenerator? signer = null,
        string? web = null)
    {
        var own = key ?? ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = own is RSA rsa
            ? new CertificateRequest($"CN={name}", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest($"CN={name}", (ECDsa)own, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        if (usage is not null)
        {
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], critical: false));
        }

        if (web is not null)
        {
            request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension([$"{web}/ocsp"], [$"{web}/authority.cer"]));
        }

        if (!isAuthority)
        {
            var names = new SubjectAlternativeNameBuilder();
            foreach (var host in (hosts ?? []).Prepend(name))
            {
                names.AddDnsName(host);
            }

            request.CertificateExtensions.Add(names.Build());
        }

        var now = DateTimeOffset.UtcNow;
        if (by is null)
        {
            return new TestCertificate(request.CreateSelfSigned(now.AddDays(from), now.AddDays(until)), own);
        }

        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(by.Certificate, includeKeyIdentifier: true, includeIssuerAndSerial: false));
        signer ??= by.Key is RSA signing ? X509SignatureGenerator.CreateForRSA(signing, RSASignaturePadding.Pkcs1) : X509SignatureGenerator.CreateForECDsa((ECDsa)by.Key);
        using var bare = request.Create(by.Certificate.SubjectName, signer, now.AddDays(from), now.AddDays(until), RandomNumberGenerator.GetBytes(16));
        return new TestCertificate(own is RSA privateRsa ? bare.CopyWithPrivateKey(privateRsa) : bare.CopyWithPrivateKey((ECDsa)own), own);
    }
}
