using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>A certificate with its chain and key from a PKCS#12 file (.pfx, .p12).</summary>
internal static class Pkcs12Certificate
{
    // HRESULT of ERROR_INVALID_PASSWORD, which the runtime uses on every system.
    private const int WrongPassword = unchecked((int)0x80070056);

    /// <summary>Null, with the error noted, where it holds no certificate with a key, or the password is another.</summary>
    public static KeyedCertificate? Load(CertificateConfig config, CredentialFile file, CredentialFile? passwordFile, TlsFindings findings)
    {
        var position = config.Position["certificate"];
        findings.CheckSecret(passwordFile ?? file);
        if (file.Content.Length == 0)
        {
            findings.Add(position, $"{file.Path} is empty; write it again");
            return null;
        }

        X509Certificate2Collection all;
        try
        {
            all = X509CertificateLoader.LoadPkcs12Collection(file.Content, passwordFile is null ? null : Password(passwordFile));
        }
        catch (CryptographicException error)
        {
            findings.Add(
                config.Position[error.HResult == WrongPassword && passwordFile is not null ? "passwordFile" : "certificate"],
                error.HResult != WrongPassword ? $"{file.Path} is no PKCS#12 file, is damaged or only half written ({error.Message}); write it again"
                : passwordFile is null ? $"{file.Path} has a password; write it into a file and name that as \"passwordFile\""
                : $"the password in {passwordFile.Path} is not that of {file.Path}; one of the two may not have been replaced yet");
            return null;
        }

        var keyed = all.Where(certificate => certificate.HasPrivateKey).ToList();
        if (keyed.Count == 1)
        {
            return new KeyedCertificate(keyed[0], [.. all.Where(certificate => !certificate.HasPrivateKey)]);
        }

        findings.Add(position, keyed.Count == 0
            ? $"{file.Path} holds no private key; export it with its key"
            : $"{file.Path} holds {keyed.Count} certificates with a key, expected one; export only {ServerCertificate.Shown(keyed[0])} or the other");
        return null;
    }

    // One line: editors and echo end it with a line break that is no part of the password.
    private static string Password(CredentialFile file)
    {
        var text = Encoding.UTF8.GetString(file.Content).TrimStart('\uFEFF');
        return text.Split('\n')[0].TrimEnd('\r');
    }
}
