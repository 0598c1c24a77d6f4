using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>The authorities of clients' certificates, and by what rules one is held against them.</summary>
internal sealed class ClientAuthorities
{
    private ClientAuthorities(byte[] content, X509Certificate2Collection certificates)
    {
        Digest = Convert.ToHexStringLower(SHA256.HashData(content));

        // Which authorities there are is told to the client, which may have several certificates to choose from.
        Trust = SslCertificateTrust.CreateForX509Collection(certificates, sendTrustInHandshake: OperatingSystem.IsLinux());

        // These alone, whatever the system trusts. That it is for clients (clientAuth) is asked for by SslStream.
        Rules = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        Rules.CustomTrustStore.AddRange(certificates);
    }

    /// <summary>Of the file.</summary>
    public string Digest { get; }

    public SslCertificateTrust Trust { get; }

    /// <summary>SslStream copies them for each handshake.</summary>
    public X509ChainPolicy Rules { get; }

    /// <summary>Null, with the error noted, where the file holds none.</summary>
    public static ClientAuthorities? Load(string path, ConfigPosition position, TlsFindings findings)
    {
        if (CredentialFile.Read(path, position, findings) is not { } file
            || PemCertificate.Certificates(new PemText(file.Content), path, "a certificate", position, findings) is not { } certificates)
        {
            return null;
        }

        if (!certificates.Exists(IsRoot))
        {
            findings.Add(position, $"{path} holds only intermediates, and no certificate of a client ends there; add the root, which is {certificates[^1].Issuer}");
            return null;
        }

        foreach (var expired in certificates.Where(certificate => new DateTimeOffset(certificate.NotAfter) < findings.Now))
        {
            findings.Warn($"the authority {expired.Subject} in {path} has expired, and its clients are refused; remove or renew it");
        }

        return new ClientAuthorities(file.Content, [.. certificates]);
    }

    private static bool IsRoot(X509Certificate2 certificate) => certificate.SubjectName.RawData.AsSpan().SequenceEqual(certificate.IssuerName.RawData);
}
