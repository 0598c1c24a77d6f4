using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace PluginServer.Configuration;

/// <summary>A name of <c>sni</c> in the two forms in which clients' names are met: xn--bcher-kva.example and bücher.example.</summary>
internal static class HostName
{
    public const string Wildcard = "*.";
    private static readonly IdnMapping Mapping = new();

    /// <summary>The name as it goes over the wire, in lower case, a leading "*." kept; false where it can be no host's name.</summary>
    public static bool TryGetAscii(string host, [NotNullWhen(true)] out string? ascii)
    {
        ascii = null;
        var isWildcard = host.StartsWith(Wildcard, StringComparison.Ordinal);
        var name = isWildcard ? host[Wildcard.Length..] : host;
        if (IPAddress.TryParse(name, out _))
        {
            return false;
        }

        try
        {
            ascii = (isWildcard ? Wildcard : "") + Mapping.GetAscii(name).ToLowerInvariant();
            return true;
        }
        catch (ArgumentException)
        {
            // A label of more than 63 bytes, a name of more than 255, or characters that no name has.
            return false;
        }
    }

    /// <summary>The same name as a person reads it, and as SslStream hands it out.</summary>
    public static string GetUnicode(string ascii)
    {
        try
        {
            return Mapping.GetUnicode(ascii).ToLowerInvariant();
        }
        catch (ArgumentException)
        {
            // An "xn--" that is no Punycode stands for itself.
            return ascii;
        }
    }
}
