using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace PluginServer;

/// <summary>What the host and the peer agreed on when a connection was encrypted; it stays the same as long as the connection.</summary>
public sealed class ConnectionTls
{
    /// <summary>The version of TLS.</summary>
    public required SslProtocols Protocol { get; init; }

    /// <summary>The algorithms that protect the connection.</summary>
    public required TlsCipherSuite CipherSuite { get; init; }

    /// <summary>The protocol that was chosen by ALPN, such as <c>h2</c>; null when none was.</summary>
    public string? ApplicationProtocol { get; init; }

    /// <summary>The name of the host that the peer asked for by SNI, as it wrote it; null when it named none.</summary>
    public string? ServerName { get; init; }

    /// <summary>The peer's certificate, which the host has checked; null when it sent none.</summary>
    /// <remarks>It belongs to the host, which disposes it with the connection: what is to outlive that has to be copied.</remarks>
    public X509Certificate2? ClientCertificate { get; init; }
}
