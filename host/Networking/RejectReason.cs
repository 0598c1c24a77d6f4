namespace PluginServer.Networking;

/// <summary>Why a client that was accepted never got to a handler.</summary>
internal enum RejectReason
{
    /// <summary>All places are taken, and the endpoint refuses instead of letting clients wait.</summary>
    Full,

    /// <summary>Its address may not connect.</summary>
    Denied,

    /// <summary>Its address has as many connections as it may have.</summary>
    AddressLimit,

    /// <summary>Its address has opened as many connections in this second as it may.</summary>
    AddressRate,

    /// <summary>It speaks for others, and is not trusted to.</summary>
    UntrustedProxy,

    /// <summary>No PROXY header where one must be, or a broken one.</summary>
    ProxyHeader,

    /// <summary>TLS could not be agreed on.</summary>
    Tls,

    /// <summary>It was not ready in time.</summary>
    HandshakeTimeout,

    /// <summary>It went away before it was ready: a port scan, or a health check that only connects.</summary>
    Left,

    /// <summary>The host ended it before it was ready.</summary>
    Cut,
}

/// <summary>How reasons are named in status, metrics and the log.</summary>
internal static class RejectReasons
{
    public static string Name(RejectReason reason) => reason switch
    {
        RejectReason.Full => "full",
        RejectReason.Denied => "denied",
        RejectReason.AddressLimit => "address_limit",
        RejectReason.AddressRate => "address_rate",
        RejectReason.UntrustedProxy => "untrusted_proxy",
        RejectReason.ProxyHeader => "proxy_header",
        RejectReason.Tls => "tls",
        RejectReason.HandshakeTimeout => "handshake_timeout",
        RejectReason.Left => "left",
        _ => "cut",
    };

    public static string Explain(RejectReason reason) => reason switch
    {
        RejectReason.Full => "no place is free (maxConnections, with overflow \"refuse\")",
        RejectReason.Denied => "its address may not connect (allow, deny)",
        RejectReason.AddressLimit => "its address has as many connections as it may have (maxConnectionsPerAddress)",
        RejectReason.AddressRate => "its address connects more often than it may (connectionsPerSecond)",
        RejectReason.UntrustedProxy => "it is none of trustedProxies, and may not speak for others (proxyProtocol)",
        RejectReason.ProxyHeader => "its PROXY header is missing or broken (proxyProtocol)",
        RejectReason.Tls => "TLS could not be agreed on (tls)",
        RejectReason.HandshakeTimeout => "it was not ready in time (handshakeTimeout)",
        RejectReason.Left => "it went away before it was ready",
        _ => "the host ended it before it was ready",
    };
}
