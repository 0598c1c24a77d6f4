using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PluginServer.Benchmarks;

/// <summary>A certificate that signs itself, with a key on P-256, in a folder of its own.</summary>
internal sealed class ServerCertificateFiles : IDisposable
{
    public const string Host = "benchmark.test";

    public ServerCertificateFiles()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={Host}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(Host);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(90));
        File.WriteAllText(Certificate, certificate.ExportCertificatePem());
        File.WriteAllText(Key, key.ExportPkcs8PrivateKeyPem());
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(Key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("plugin-server-benchmark-").FullName;

    public string Certificate => Path.Combine(Folder, "cert.pem");

    public string Key => Path.Combine(Folder, "key.pem");

    /// <summary>By a process that was given the folder.</summary>
    public static X509Certificate2 Load(string folder) => X509Certificate2.CreateFromPemFile(Path.Combine(folder, "cert.pem"), Path.Combine(folder, "key.pem"));

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
