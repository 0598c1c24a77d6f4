using Newtonsoft.Json;

namespace PluginServer.Configuration;

/// <summary>Why a text is no JSON, and where.</summary>
internal sealed record SourceFault((int Line, int Column) Start, string Message)
{
    // The parser's own words are for programmers; these come first and its words follow.
    private static readonly (string Said, string Means)[] Meanings =
    [
        ("After parsing a value", "a ',' is missing before this"),
        ("Invalid character after parsing property name", "a ':' is missing before this"),
        ("Unterminated string", "this text has no closing '\"'"),
        ("Bad JSON escape", "this text holds an unknown escape; a backslash is written \\\\"),
        ("Additional text", "there is more text after the end of the configuration"),
        ("Invalid property identifier", "expected a key in double quotes"),
        ("Unexpected end", "the file ends in the middle of something"),
        ("JsonToken", "another bracket is expected here, for the {0}"),
        ("The reader's MaxDepth", "this is nested too deeply"),
    ];

    /// <summary>What the parser refused, in words for operators.</summary>
    /// <param name="exception">As it was thrown.</param>
    /// <param name="opened">The bracket that is to be closed next, and where it is.</param>
    public static string Explain(JsonReaderException exception, string opened)
    {
        var said = exception.Message;
        var place = said.IndexOf(" Path '", StringComparison.Ordinal);
        said = place < 0 ? said : said[..place];
        var means = Meanings.FirstOrDefault(meaning => said.StartsWith(meaning.Said, StringComparison.Ordinal)).Means?.Replace("{0}", opened, StringComparison.Ordinal);
        return $"{means ?? "this is no valid JSON"} (the parser says: {said.TrimEnd('.')})";
    }
}
