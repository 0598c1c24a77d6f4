using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>One certificate that the host shows, with its key and its chain, checked and ready for handshakes.</summary>
internal sealed class ServerCertificate
{
    private const int ShortestRsa = 2048;

    private ServerCertificate(string digest, SslStreamCertificateContext context)
    {
        Digest = digest;
        Context = context;
        Name = Shown(context.TargetCertificate);
        ValidUntil = context.TargetCertificate.NotAfter.ToUniversalTime();
    }

    /// <summary>Of all that it was read from: the same files make the same certificate.</summary>
    public string Digest { get; }

    public SslStreamCertificateContext Context { get; }

    /// <summary>The first name that it is for.</summary>
    public string Name { get; }

    public DateTimeOffset ValidUntil { get; }

    /// <summary>That it is to be renewed, once it is time to; null before.</summary>
    public string? Due(DateTimeOffset now) => TlsFindings.IsDue(ValidUntil, now) ? Expiry(Name, ValidUntil, now) : null;

    /// <summary>A certificate for an error: by its first host name, or its subject where it has none.</summary>
    public static string Shown(X509Certificate2 certificate) =>
        certificate.GetNameInfo(X509NameType.DnsName, forIssuer: false) is { Length: > 0 } name ? name : certificate.Subject;

    /// <summary>Null, with the errors noted, where it cannot be used.</summary>
    /// <param name="config">Its files.</param>
    /// <param name="authorities">Whose certificates the clients are asked for; null where they are asked for none.</param>
    /// <param name="present">Those that serve: one of the same files is used again, with the sessions that clients may resume.</param>
    /// <param name="findings">Where errors and warnings are noted.</param>
    public static ServerCertificate? Load(CertificateConfig config, ClientAuthorities? authorities, IEnumerable<ServerCertificate> present, TlsFindings findings)
    {
        var files = Read(config, findings);
        if (files is null)
        {
            return null;
        }

        var (file, key, password) = files.Value;
        var keyed = config.IsPkcs12 ? Pkcs12Certificate.Load(config, file, password, findings) : PemCertificate.Load(config, file, key, findings);
        if (keyed is null || !IsUsable(keyed, file, config.Position["certificate"], findings))
        {
            return null;
        }

        var digest = Hash(new[] { file, key, password }.OfType<CredentialFile>());
        var known = present.FirstOrDefault(certificate => certificate.Digest == digest);
        if (known is null)
        {
            var context = SslStreamCertificateContext.Create(keyed.Leaf, [.. keyed.Others], offline: true, authorities?.Trust);
            if (TrialHandshake.Fault(context) is { } fault)
            {
                findings.Add(config.Position["certificate"], $"no connection can be made with the certificate in {file.Path}: {fault}; have another one issued, with an RSA key of 2048 bits or more or an ECDSA key on P-256, signed with SHA-256");
                return null;
            }

            known = new ServerCertificate(digest, context);
        }

        CheckChain(keyed, known.Context, file, findings);
        return known;
    }

    private static (CredentialFile File, CredentialFile? Key, CredentialFile? Password)? Read(CertificateConfig config, TlsFindings findings)
    {
        var file = CredentialFile.Read(config.File, config.Position["certificate"], findings);
        var key = config.Key is null ? null : CredentialFile.Read(config.Key, config.Position["key"], findings);
        var password = config.PasswordFile is null ? null : CredentialFile.Read(config.PasswordFile, config.Position["passwordFile"], findings);
        return file is null || (key is null && config.Key is not null) || (password is null && config.PasswordFile is not null) ? null : (file, key, password);
    }

    private static bool IsUsable(KeyedCertificate keyed, CredentialFile file, ConfigPosition position, TlsFindings findings)
    {
        var leaf = keyed.Leaf;
        var (from, until) = (new DateTimeOffset(leaf.NotBefore), new DateTimeOffset(leaf.NotAfter));
        using var rsa = leaf.GetRSAPublicKey();
        var before = findings.Errors.Count;
        if (until < findings.Now)
        {
            findings.Add(position, Expiry($"{Shown(leaf)} in {file.Path}", until, findings.Now));
        }
        else if (from > findings.Now)
        {
            findings.Add(position, $"the certificate of {Shown(leaf)} in {file.Path} is not valid before {Text(from)}; wait until then, or set this machine's clock");
        }
        else if (findings.IsDue(until))
        {
            findings.Warn(Expiry($"{Shown(leaf)} in {file.Path}", until, findings.Now));
        }

        if (rsa?.KeySize < ShortestRsa)
        {
            findings.Add(position, $"the certificate of {Shown(leaf)} in {file.Path} has an RSA key of {rsa.KeySize} bits, which clients refuse; have one issued for a key of {ShortestRsa} bits or more");
        }

        return findings.Errors.Count == before;
    }

    /// <summary>Warns of what the file has for its clients and they cannot use.</summary>
    private static void CheckChain(KeyedCertificate keyed, SslStreamCertificateContext context, CredentialFile file, TlsFindings findings)
    {
        foreach (var other in keyed.Others)
        {
            var isSent = context.IntermediateCertificates.Any(sent => sent.RawDataMemory.Span.SequenceEqual(other.RawDataMemory.Span));
            var isRoot = other.SubjectName.RawData.AsSpan().SequenceEqual(other.IssuerName.RawData);
            if (isSent && new DateTimeOffset(other.NotAfter) < findings.Now)
            {
                findings.Warn($"the intermediate certificate {Shown(other)} in {file.Path} expired on {Text(new DateTimeOffset(other.NotAfter))}; write the present one into the file");
            }
            else if (!isSent && !isRoot)
            {
                findings.Warn($"the certificate {Shown(other)} in {file.Path} is no part of the chain of {Shown(keyed.Leaf)}, and is not sent; is an intermediate between them missing?");
            }
        }
    }

    private static string Expiry(string whose, DateTimeOffset until, DateTimeOffset now) =>
        $"the certificate of {whose} {(until < now ? "expired" : "expires")} on {Text(until)}; renew it";

    private static string Hash(IEnumerable<CredentialFile> files)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in files)
        {
            hash.AppendData(SHA256.HashData(file.Content));
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static string Text(DateTimeOffset time) => time.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
