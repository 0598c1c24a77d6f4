using System.Security.Cryptography.X509Certificates;

namespace PluginServer.Networking;

/// <summary>A certificate with its private key, and what came along with it.</summary>
/// <param name="Leaf">The one with the key.</param>
/// <param name="Others">The others of the file: intermediates, mostly.</param>
internal sealed record KeyedCertificate(X509Certificate2 Leaf, IReadOnlyList<X509Certificate2> Others);
