namespace PluginServer.Networking;

/// <summary>One block of a PEM file.</summary>
/// <param name="Label">What it says it is.</param>
/// <param name="Text">From -----BEGIN to -----END.</param>
/// <param name="Content">What it holds, in DER.</param>
internal sealed record PemBlock(string Label, string Text, byte[] Content)
{
    public const string CertificateLabel = "CERTIFICATE";
}
