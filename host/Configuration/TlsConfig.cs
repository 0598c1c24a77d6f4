using System.Collections.Immutable;
using System.Security.Authentication;

namespace PluginServer.Configuration;

/// <summary>The <c>tls</c> section of an endpoint.</summary>
internal sealed record TlsConfig
{
    /// <summary>For clients that name no host, or one that has no certificate of its own.</summary>
    public required CertificateConfig Certificate { get; init; }

    public ImmutableArray<SniConfig> Sni { get; init; } = [];

    public ClientCertificateKind ClientCertificate { get; init; }

    /// <summary>Absolute path; null where clients are asked for no certificate.</summary>
    public string? ClientAuthorities { get; init; }

    /// <summary>The preferred one first; none: the extension is not answered.</summary>
    public ImmutableArray<string> Alpn { get; init; } = [];

    public SslProtocols MinimumVersion { get; init; } = SslProtocols.Tls12;

    /// <summary>Where the section stands; <c>Position["clientAuthorities"]</c> is where that key's value does.</summary>
    public required ConfigPosition Position { get; init; }

    /// <summary>All that it names, by absolute paths; a change of one is a reason to load them again.</summary>
    public IReadOnlyList<string> Files =>
        [.. Certificate.Files.Concat(Sni.SelectMany(entry => entry.Certificate.Files)).Concat(ClientAuthorities is null ? [] : [ClientAuthorities]).Distinct(StringComparer.Ordinal)];

    // Written out for the two lists, which would be compared by identity.
    public bool Equals(TlsConfig? other) =>
        other is not null
        && Certificate == other.Certificate
        && Sni.SequenceEqual(other.Sni)
        && IsAskedAlike(other)
        && ClientAuthorities == other.ClientAuthorities;

    public override int GetHashCode() => HashCode.Combine(Certificate, Sni.Length, ClientCertificate, ClientAuthorities, Alpn.Length, MinimumVersion);

    /// <summary>Whether a handshake goes the same way, whatever the certificates.</summary>
    public bool IsAskedAlike(TlsConfig other) =>
        ClientCertificate == other.ClientCertificate && MinimumVersion == other.MinimumVersion && Alpn.SequenceEqual(other.Alpn, StringComparer.Ordinal);
}
