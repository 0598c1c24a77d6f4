using System.Text;

namespace PluginServer.Diagnostics;

/// <summary>What a plugin threw, as text: the exception itself would keep the plugin's code loaded.</summary>
/// <remarks>Its ToString and Message are the plugin's code too: they may throw, and say as much as they like.</remarks>
internal static class FaultText
{
    /// <summary>In characters; what is longer is cut there.</summary>
    public const int Longest = 16 * 1024;

    private const int LongestLine = 300;

    /// <summary>With its stack and inner exceptions.</summary>
    public static string Of(Exception error) => Bounded(error, static error => error.ToString());

    /// <summary>What it says.</summary>
    public static string MessageOf(Exception error) => Bounded(error, static error => error.Message);

    /// <summary>What fits on a line of it.</summary>
    public static string FirstLine(string text)
    {
        var line = text.AsSpan();
        var end = line.IndexOfAny('\r', '\n');
        line = end < 0 ? line : line[..end];
        return line.Length <= LongestLine ? line.ToString() : $"{WellFormed(line[..LongestLine].ToString())}...";
    }

    private static string Bounded(Exception error, Func<Exception, string?> read)
    {
        string text;
        try
        {
            text = read(error) ?? "";
        }
        catch (Exception second)
        {
            text = $"{error.GetType().FullName}, whose text cannot be had: reading it throws {second.GetType().FullName}";
        }

        // Half of a surrogate pair, from a cut or from the plugin, is more than a JSON log can take.
        return text.Length <= Longest ? WellFormed(text) : $"{WellFormed(text[..Longest])}... ({text.Length - Longest} characters more)";
    }

    private static string WellFormed(string text) => Encoding.Unicode.GetString(Encoding.Unicode.GetBytes(text));
}
