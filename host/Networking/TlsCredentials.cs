using System.Globalization;
using System.Net.Security;
using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>Everything a handshake of one endpoint needs: loaded, checked and put together once, and never changed after.</summary>
internal sealed class TlsCredentials
{
    private readonly TlsConfig _config;
    private readonly ClientAuthorities? _authorities;

    // By the name that each is for; that of the section itself is the first, under no name.
    private readonly List<(string? Host, ServerCertificate Certificate)> _certificates;
    private readonly HandshakeOptions _default;
    private readonly Dictionary<string, HandshakeOptions>.AlternateLookup<ReadOnlySpan<char>> _exact;
    private readonly Dictionary<string, HandshakeOptions>.AlternateLookup<ReadOnlySpan<char>> _wildcards;

    private TlsCredentials(TlsConfig config, ClientAuthorities? authorities, List<(string? Host, ServerCertificate Certificate)> certificates, IReadOnlyList<string> warnings)
    {
        _config = config;
        _authorities = authorities;
        _certificates = certificates;
        Warnings = warnings;
        _default = new HandshakeOptions(config, authorities, certificates[0].Certificate);
        var exact = new Dictionary<string, HandshakeOptions>(StringComparer.OrdinalIgnoreCase);
        var wildcards = new Dictionary<string, HandshakeOptions>(StringComparer.OrdinalIgnoreCase);
        foreach (var (host, certificate) in certificates.Skip(1))
        {
            var options = new HandshakeOptions(config, authorities, certificate);
            foreach (var name in Spellings(host!))
            {
                _ = name.StartsWith(HostName.Wildcard, StringComparison.Ordinal)
                    ? wildcards[name[HostName.Wildcard.Length..]] = options
                    : exact[name] = options;
            }
        }

        _exact = exact.GetAlternateLookup<ReadOnlySpan<char>>();
        _wildcards = wildcards.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>What works and should not stay so; each names the file.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>When the first of its certificates expires.</summary>
    public DateTimeOffset ValidUntil => _certificates.Min(entry => entry.Certificate.ValidUntil);

    /// <summary>Reads and checks all files of a section.</summary>
    /// <param name="config">The section.</param>
    /// <param name="now">The time that certificates must be valid at.</param>
    /// <param name="present">What serves: certificates of the same files are used again, with the sessions that clients may resume.</param>
    public static TlsLoad Load(TlsConfig config, DateTimeOffset now, TlsCredentials? present = null)
    {
        var findings = new TlsFindings(now);
        var authorities = config.ClientAuthorities is null ? null : ClientAuthorities.Load(config.ClientAuthorities, config.Position["clientAuthorities"], findings);
        var known = present is not null && present._config.IsAskedAlike(config) && present._authorities?.Digest == authorities?.Digest
            ? present._certificates.ConvertAll(entry => entry.Certificate)
            : [];
        var certificates = new List<(string? Host, ServerCertificate Certificate)>();
        foreach (var (host, files) in config.Sni.Select(entry => ((string?)entry.Host, entry.Certificate)).Prepend((null, config.Certificate)))
        {
            if (ServerCertificate.Load(files, authorities, known, findings) is not { } certificate)
            {
                continue;
            }

            certificates.Add((host, certificate));
            if (host is not null && !Covers(certificate, host))
            {
                findings.Warn($"the certificate in {files.File} is not for {host}, only for {certificate.Name}; clients that ask for {host} will refuse it");
            }
        }

        return findings.Errors.Count > 0
            ? new TlsLoad(null, findings.Errors)
            : new TlsLoad(new TlsCredentials(config, authorities, certificates, findings.Warnings), []);
    }

    /// <summary>The options for a client that asks for a host: those of that name, then those of "*." and its domain, then those for everybody.</summary>
    /// <param name="serverName">As <see cref="SslClientHelloInfo.ServerName"/> has it; null or empty where the client named none.</param>
    /// <param name="knowsTls13">As <see cref="ClientHello"/> tells it; a client of whom it is not known is served as well, but resumes no session.</param>
    public SslServerAuthenticationOptions Select(string? serverName, bool knowsTls13 = false)
    {
        var name = serverName.AsSpan().TrimEnd('.');
        if (!_exact.TryGetValue(name, out var options))
        {
            var dot = name.IndexOf('.');
            options = dot > 0 && _wildcards.TryGetValue(name[(dot + 1)..], out var wildcard) ? wildcard : _default;
        }

        return knowsTls13 ? options.Newest : options.Others;
    }

    /// <summary>Whether one of its certificates is for a host.</summary>
    public bool IsFor(string host) => Uri.CheckHostName(host) != UriHostNameType.Unknown && _certificates.Exists(entry => entry.Certificate.Context.TargetCertificate.MatchesHostname(host));

    /// <summary>What is different from others with the same section, a line each; none where they were read from the same content.</summary>
    public IReadOnlyList<string> Changes(TlsCredentials before)
    {
        var lines = new List<string>();
        foreach (var (host, certificate) in _certificates)
        {
            if (before._certificates.Find(entry => entry.Host == host).Certificate is { } old && old.Digest != certificate.Digest)
            {
                lines.Add($"certificate of {host ?? certificate.Name} renewed, {Text(certificate)}");
            }
        }

        if (_authorities is not null && before._authorities is not null && _authorities.Digest != before._authorities.Digest)
        {
            lines.Add("authorities of the clients' certificates changed");
        }

        return lines;
    }

    /// <summary>Which of its certificates are to be renewed by now.</summary>
    public IEnumerable<string> Due(DateTimeOffset now) => _certificates.Select(entry => entry.Certificate.Due(now)).OfType<string>().Distinct();

    /// <summary>Its certificates, each with the day that it expires on.</summary>
    public string Describe() => string.Join("; ", _certificates.Select(entry => $"{entry.Host ?? entry.Certificate.Name} {Text(entry.Certificate)}"));

    // SslStream hands a name out as people read it, and other callers may have it as it came over the wire.
    private static IEnumerable<string> Spellings(string host)
    {
        _ = HostName.TryGetAscii(host, out var ascii);
        return new[] { ascii!, HostName.GetUnicode(ascii!) }.Distinct(StringComparer.Ordinal);
    }

    // A name that nobody has stands for all that a wildcard stands for.
    private static bool Covers(ServerCertificate certificate, string host)
    {
        _ = HostName.TryGetAscii(host, out var ascii);
        var name = host.StartsWith(HostName.Wildcard, StringComparison.Ordinal) ? "a-name-that-nobody-has" + ascii![1..] : ascii!;
        return certificate.Context.TargetCertificate.MatchesHostname(name);
    }

    private static string Text(ServerCertificate certificate) => $"valid until {certificate.ValidUntil.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)}";
}
