using System.Security.Cryptography.X509Certificates;

namespace PluginServer.Tests.Support;

/// <summary>A folder of certificates, keys and chains, as operators have them.</summary>
internal sealed class CertificateFiles : IDisposable
{
    public string Folder { get; } = Directory.CreateTempSubdirectory("plugin-server-certificates-").FullName;

    public string this[string name] => Path.Combine(Folder, name);

    /// <summary>Writes a file of these parts, in that order.</summary>
    public string Write(string name, params string[] parts) => Write(name, string.Concat(parts));

    public string Write(string name, string text)
    {
        Prepare(name);
        File.WriteAllText(this[name], text);
        Protect(name);
        return this[name];
    }

    public string Write(string name, byte[] content)
    {
        Prepare(name);
        File.WriteAllBytes(this[name], content);
        Protect(name);
        return this[name];
    }

    /// <summary>"cert.pem" with the chain, and "key.pem".</summary>
    public void WritePair(TestCertificate certificate, params TestCertificate[] chain)
    {
        Write("cert.pem", [certificate.Pem, .. chain.Select(above => above.Pem)]);
        Write("key.pem", certificate.KeyPem);
    }

    /// <summary>A .pfx of a certificate with its key, and of others without theirs.</summary>
    public string WritePkcs12(string name, string? password, TestCertificate certificate, params TestCertificate[] others)
    {
        X509Certificate2Collection all = [certificate.Certificate, .. others.Select(other => X509CertificateLoader.LoadCertificate(other.Certificate.RawData))];
        return Write(name, all.Export(X509ContentType.Pkcs12, password)!);
    }

    public void Dispose()
    {
        if (Directory.Exists(Folder))
        {
            Directory.Delete(Folder, recursive: true);
        }
    }

    private void Prepare(string name) => Directory.CreateDirectory(Path.GetDirectoryName(this[name])!);

    private void Protect(string name)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(this[name], UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }
}
