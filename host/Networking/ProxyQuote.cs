using System.Globalization;
using System.Text;

namespace PluginServer.Networking;

/// <summary>Bytes of a stranger for a line of the log: in quotes, and what is not printable ASCII as \x0d.</summary>
internal static class ProxyQuote
{
    private const int Escaped = 4;

    public static string Of(ReadOnlySpan<byte> bytes)
    {
        Span<char> text = stackalloc char[bytes.Length];
        Encoding.Latin1.GetChars(bytes, text);
        return Of(text);
    }

    /// <param name="text">Each character is one byte.</param>
    public static string Of(ReadOnlySpan<char> text)
    {
        // All that is quoted are parts of a line, and paths.
        Span<char> quoted = stackalloc char[2 + (Escaped * text.Length)];
        var length = 0;
        quoted[length++] = '"';
        foreach (var character in text)
        {
            if (character is >= ' ' and <= '~' and not ('"' or '\\'))
            {
                quoted[length++] = character;
                continue;
            }

            @"\x".CopyTo(quoted[length..]);
            ((int)character).TryFormat(quoted[(length + 2)..], out _, "x2", CultureInfo.InvariantCulture);
            length += Escaped;
        }

        quoted[length++] = '"';
        return new string(quoted[..length]);
    }
}
