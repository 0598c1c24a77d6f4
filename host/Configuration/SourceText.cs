namespace PluginServer.Configuration;

/// <summary>The text of a JSON file with its comments blanked out, and where its lines and tokens begin.</summary>
internal sealed class SourceText
{
    private readonly List<int> _lines = [0];

    public SourceText(string text)
    {
        Text = WithoutComments(text, out var unclosed);
        UnclosedComment = unclosed;
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] == '\n' || (text[at] == '\r' && !text.AsSpan(at + 1).StartsWith("\n")))
            {
                _lines.Add(at + 1);
            }
        }
    }

    /// <summary>As long as what was read, so that offsets are the same in both.</summary>
    public string Text { get; }

    /// <summary>Where a comment begins that nothing ends.</summary>
    public int? UnclosedComment { get; }

    /// <summary>Line and column from 1.</summary>
    public (int Line, int Column) PositionOf(int offset)
    {
        var found = _lines.BinarySearch(offset);
        var line = found >= 0 ? found : ~found - 1;
        return (line + 1, offset - _lines[line] + 1);
    }

    /// <summary>The offset of a line from 1 and a column from 0, as the parser counts them.</summary>
    public int OffsetOf(int line, int column) => Math.Min(_lines[Math.Clamp(line, 1, _lines.Count) - 1] + column, Text.Length);

    /// <summary>Where the next token begins; the end of the text where there is none.</summary>
    public int NextToken(int offset)
    {
        while (offset < Text.Length && (char.IsWhiteSpace(Text[offset]) || Text[offset] is ',' or ':' or '\0' or '\uFEFF'))
        {
            offset++;
        }

        return offset;
    }

    /// <summary>Where the token that begins here ends.</summary>
    public int EndOfToken(int start)
    {
        if (start >= Text.Length)
        {
            return Text.Length;
        }

        if (Text[start] == '"')
        {
            return EndOfString(Text, start);
        }

        var end = start + 1;
        while (Text[start] is not ('{' or '}' or '[' or ']') && end < Text.Length && !IsDelimiter(Text[end]))
        {
            end++;
        }

        return end;
    }

    private static bool IsDelimiter(char c) => char.IsWhiteSpace(c) || c is ',' or ':' or '{' or '}' or '[' or ']' or '"';

    private static int EndOfString(string text, int start)
    {
        for (var at = start + 1; at < text.Length; at++)
        {
            if (text[at] == '"')
            {
                return at + 1;
            }

            at += text[at] == '\\' ? 1 : 0;
        }

        return text.Length;
    }

    // The parser knows comments but not between a key and its colon.
    private static string WithoutComments(string text, out int? unclosed)
    {
        unclosed = null;
        var blanked = text.ToCharArray();
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] == '"')
            {
                at = EndOfString(text, at) - 1;
            }
            else if (text.AsSpan(at).StartsWith("//") || text.AsSpan(at).StartsWith("/*"))
            {
                var end = EndOfComment(text, at);
                unclosed ??= end < 0 ? at : null;
                end = end < 0 ? text.Length : end;
                for (; at < end; at++)
                {
                    blanked[at] = text[at] is '\r' or '\n' ? text[at] : ' ';
                }

                at--;
            }
        }

        return new string(blanked);
    }

    private static int EndOfComment(string text, int start)
    {
        if (text[start + 1] == '*')
        {
            var close = text.IndexOf("*/", start + 2, StringComparison.Ordinal);
            return close < 0 ? -1 : close + 2;
        }

        var end = text.AsSpan(start).IndexOfAny('\r', '\n');
        return end < 0 ? text.Length : start + end;
    }
}
