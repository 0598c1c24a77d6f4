namespace PluginServer.Configuration;

/// <summary>One entry of <c>sni</c>.</summary>
/// <param name="Host">In lower case: a host name, or "*." and what follows the first label of one.</param>
/// <param name="Certificate">What a client is shown that asks for it.</param>
internal sealed record SniConfig(string Host, CertificateConfig Certificate);
