using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>A certificate with its chain from a PEM file, its key from another or the same.</summary>
internal static class PemCertificate
{
    /// <summary>Null, with the errors noted, where they do not make a certificate with a key.</summary>
    public static KeyedCertificate? Load(CertificateConfig config, CredentialFile file, CredentialFile? keyFile, TlsFindings findings)
    {
        var text = new PemText(file.Content);
        var chain = Certificates(text, file.Path, "a certificate", config.Position["certificate"], findings);
        var keyPosition = config.Position[keyFile is null ? "certificate" : "key"];
        var key = Key(keyFile is null ? text : new PemText(keyFile.Content), keyFile, file, keyPosition, findings);
        findings.CheckSecret(keyFile ?? file);
        if (chain is null || key is null)
        {
            return null;
        }

        if (Join(chain[0], key) is { } leaf)
        {
            return new KeyedCertificate(leaf, chain[1..]);
        }

        var owner = chain.FindIndex(certificate => Join(certificate, key) is not null);
        var keyName = (keyFile ?? file).Path;
        findings.Add(keyPosition, owner > 0
            ? $"the key in {keyName} belongs to certificate {owner + 1} of {file.Path}, {ServerCertificate.Shown(chain[owner])}; put that one first, and those of its authorities after it"
            : $"the key in {keyName} ({Kind(key)}) does not belong to the certificate in {file.Path}, {ServerCertificate.Shown(chain[0])} ({Kind(chain[0])}); one of the two may not have been replaced yet");
        return null;
    }

    /// <summary>All certificates of a PEM file; null, with the error noted, where there is none or one is damaged.</summary>
    /// <param name="text">What the file says.</param>
    /// <param name="path">The file's name.</param>
    /// <param name="wanted">What it should hold, with its article.</param>
    /// <param name="position">Where plugins.json names it.</param>
    /// <param name="findings">Where the error is noted.</param>
    public static List<X509Certificate2>? Certificates(PemText text, string path, string wanted, ConfigPosition position, TlsFindings findings)
    {
        var found = new List<X509Certificate2>();
        foreach (var block in text.Certificates)
        {
            try
            {
                found.Add(X509CertificateLoader.LoadCertificate(block.Content));
            }
            catch (CryptographicException)
            {
                findings.Add(position, $"certificate {found.Count + 1} in {path} is damaged; write it again");
                return null;
            }
        }

        if (found.Count > 0 && !text.IsDamaged)
        {
            return found;
        }

        findings.Add(position, $"{path} {text.Explain(wanted)}");
        return null;
    }

    private static AsymmetricAlgorithm? Key(PemText text, CredentialFile? keyFile, CredentialFile file, ConfigPosition position, TlsFindings findings)
    {
        var path = (keyFile ?? file).Path;
        if (text.IsEncrypted)
        {
            findings.Add(position, $"the private key in {path} has a password, which nobody can type in here; take it off (openssl pkey -in {path} -out NEW), or use a .pfx with \"passwordFile\"");
        }
        else if (text.Keys.FirstOrDefault() is not { } block)
        {
            // Of a certificate's own file what is damaged or missing has been said.
            if (keyFile is not null)
            {
                findings.Add(position, $"{path} {text.Explain("a private key")}");
            }
            else if (text.Certificates.Any() && !text.IsDamaged)
            {
                findings.Add(position, $"{path} holds no private key; put it into the file, or name the file that has it as \"key\"");
            }
        }
        else if (Import(block) is { } key)
        {
            return key;
        }
        else
        {
            findings.Add(position, $"the private key in {path} is damaged, or of a kind that the host cannot use; RSA and ECDSA keys it can");
        }

        return null;
    }

    private static AsymmetricAlgorithm? Import(PemBlock block)
    {
        foreach (var key in new AsymmetricAlgorithm[] { RSA.Create(), ECDsa.Create() })
        {
            try
            {
                key.ImportFromPem(block.Text);
                return key;
            }
            catch (Exception error) when (error is CryptographicException or ArgumentException)
            {
                // Of another kind.
                key.Dispose();
            }
        }

        return null;
    }

    private static X509Certificate2? Join(X509Certificate2 certificate, AsymmetricAlgorithm key)
    {
        try
        {
            return key is RSA rsa ? certificate.CopyWithPrivateKey(rsa) : certificate.CopyWithPrivateKey((ECDsa)key);
        }
        catch (Exception error) when (error is ArgumentException or CryptographicException)
        {
            return null;
        }
    }

    private static string Kind(AsymmetricAlgorithm key) => $"{(key is RSA ? "RSA" : "ECDSA")}, {key.KeySize} bits";

    private static string Kind(X509Certificate2 certificate)
    {
        using var rsa = certificate.GetRSAPublicKey();
        using var ecdsa = certificate.GetECDsaPublicKey();
        return rsa is not null ? Kind(rsa) : ecdsa is not null ? Kind(ecdsa) : $"of the kind {certificate.PublicKey.Oid.FriendlyName ?? certificate.PublicKey.Oid.Value}, which the host cannot use";
    }
}
