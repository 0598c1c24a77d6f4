using System.Security.Authentication;

namespace PluginServer.Benchmarks;

/// <summary>One kind of load.</summary>
/// <param name="Name">As the table calls it.</param>
/// <param name="Connections">At once.</param>
/// <param name="Size">Of a message, in bytes.</param>
/// <param name="Depth">Messages under way on a connection.</param>
/// <param name="IsChurn">Each connection sends one message, reads it back, and ends.</param>
/// <param name="Tls">The version; none is plain TCP.</param>
internal sealed record Scenario(string Name, int Connections, int Size, int Depth = 1, bool IsChurn = false, SslProtocols Tls = SslProtocols.None)
{
    public static readonly IReadOnlyList<Scenario> Plain =
    [
        new("64 B x 64", 64, 64),
        new("64 B x 1000", 1000, 64),
        new("16 KiB x 64", 64, 16 << 10),
        new("16 deep", 64, 64, Depth: 16),
        new("churn", 32, 64, IsChurn: true),
    ];

    public static readonly IReadOnlyList<Scenario> Encrypted =
    [
        new("16 KiB x 64, TLS 1.3", 64, 16 << 10, Tls: SslProtocols.Tls13),
        new("16 KiB x 64, TLS 1.2", 64, 16 << 10, Tls: SslProtocols.Tls12),
        new("64 B x 64, TLS 1.3", 64, 64, Tls: SslProtocols.Tls13),
    ];

    public static Scenario Of(string name) => Plain.Concat(Encrypted).Single(scenario => scenario.Name == name);
}
