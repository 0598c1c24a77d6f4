namespace PluginServer.Configuration;

/// <summary>What clients are asked for, as <c>clientCertificate</c> says.</summary>
internal enum ClientCertificateKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>A certificate if they have one; one that they show must be valid.</summary>
    Allow,

    /// <summary>A valid certificate.</summary>
    Require,
}
