using System.Net.Security;
using System.Runtime.Versioning;

namespace PluginServer.Networking;

/// <summary>The cipher suites that clients are offered.</summary>
internal static class CipherSuites
{
    /// <summary>With forward secrecy, and authenticated as they encrypt: those of TLS 1.2 in CBC mode, which the runtime offers by itself, are attacked again and again (Lucky 13).</summary>
    [UnsupportedOSPlatform("windows")]
    [UnsupportedOSPlatform("android")]
    public static CipherSuitesPolicy Authenticated { get; } = new(
    [
        TlsCipherSuite.TLS_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ]);
}
