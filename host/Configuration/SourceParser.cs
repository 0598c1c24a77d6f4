using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace PluginServer.Configuration;

/// <summary>JSON text to a tree that knows where each of its tokens begins.</summary>
/// <remarks>
/// The reader says where a token ends and is laxer than JSON: this walks the text in step with it, takes the start of each token
/// from there, and refuses what an editor would underline, except for a comma after the last element.
/// </remarks>
internal sealed partial class SourceParser : IDisposable
{
    private readonly SourceText _source;
    private readonly JsonTextReader _reader;
    private readonly Stack<int> _open = [];
    private int _start;
    private int _end;

    private SourceParser(SourceText source)
    {
        _source = source;
        _reader = new JsonTextReader(new StringReader(source.Text)) { DateParseHandling = DateParseHandling.None };
    }

    /// <summary>The root, or the first place where the text is no JSON.</summary>
    public static (SourceNode? Root, SourceFault? Fault) Parse(string text)
    {
        var source = new SourceText(text);
        if (source.UnclosedComment is { } comment)
        {
            return (null, new SourceFault(source.PositionOf(comment), "this comment is never closed, expected '*/'"));
        }

        if (source.NextToken(0) == text.Length)
        {
            return (null, new SourceFault((1, 1), "there is nothing in it, expected an object with at least \"endpoints\""));
        }

        using var parser = new SourceParser(source);
        try
        {
            parser.Next();
            var root = parser.Node("");
            parser.End();
            return (root, null);
        }
        catch (JsonReaderException exception)
        {
            return (null, new SourceFault(source.PositionOf(parser._start), exception.Message));
        }
    }

    public void Dispose() => _reader.Close();

    private SourceNode Node(string path)
    {
        var node = new SourceNode(path, _source.PositionOf(_start), Scalar(), _source.Text[_start.._end]);
        _open.Push(_start);
        node = node.Type switch
        {
            JTokenType.Object => node with { Members = Members(path) },
            JTokenType.Array => node with { Items = Items(path) },
            _ => node,
        };
        _open.Pop();
        return node;
    }

    private ImmutableArray<SourceMember> Members(string path)
    {
        var members = ImmutableArray.CreateBuilder<SourceMember>();
        while (Next() != JsonToken.EndObject)
        {
            var (key, start) = ((string)_reader.Value!, _source.PositionOf(_start));
            Next();
            members.Add(new SourceMember(key, start, Node(JsonPath.Member(path, key))));
        }

        return members.ToImmutable();
    }

    private ImmutableArray<SourceNode> Items(string path)
    {
        var items = ImmutableArray.CreateBuilder<SourceNode>();
        while (Next() != JsonToken.EndArray)
        {
            items.Add(Node(JsonPath.Item(path, items.Count)));
        }

        return items.ToImmutable();
    }

    private JToken Scalar() => _reader.TokenType switch
    {
        JsonToken.StartObject => new JObject(),
        JsonToken.StartArray => new JArray(),
        JsonToken.Null => JValue.CreateNull(),
        _ => new JValue(_reader.Value),
    };

    private JsonToken Next()
    {
        _start = _source.NextToken(_end);
        try
        {
            if (!_reader.Read())
            {
                throw new JsonReaderException($"the file ends here, but the {Opened()} is not closed");
            }
        }
        catch (JsonReaderException exception) when (exception.LineNumber > 0)
        {
            _start = PlaceOf(exception);
            throw new JsonReaderException(SourceFault.Explain(exception, Opened()), exception);
        }

        _end = _source.EndOfToken(_start);
        Refuse(_source.Text.AsSpan(_start, _end - _start));
        return _reader.TokenType;
    }

    private string Opened()
    {
        var (line, column) = _source.PositionOf(_open.FirstOrDefault());
        return $"'{_source.Text[_open.FirstOrDefault()]}' at {line}:{column}";
    }

    // The start of the token that was refused, unless the parser stopped before it or at what follows a key.
    private int PlaceOf(JsonReaderException exception)
    {
        var said = _source.OffsetOf(exception.LineNumber, exception.LinePosition);
        var afterKey = _reader.TokenType is not JsonToken.PropertyName && _source.NextToken(_source.EndOfToken(_start)) == said;
        return said < _start || afterKey ? said : _start;
    }

    private void End()
    {
        var rest = _source.Text.AsSpan(_end);
        _start = _source.Text.Length - rest.TrimStart().Length;
        if (!rest.Trim("\0 \t\r\n").IsEmpty)
        {
            throw new JsonReaderException("there is more text after the end of the configuration; remove it, or a closing bracket before it");
        }
    }

    private void Refuse(ReadOnlySpan<char> token)
    {
        var fault = _reader.TokenType switch
        {
            JsonToken.PropertyName or JsonToken.String when token[0] != '"' => "keys and texts are written in double quotes",
            JsonToken.PropertyName or JsonToken.String when token.IndexOfAny('\r', '\n') >= 0 => "a text ends on its own line; is its closing '\"' missing?",
            JsonToken.Integer or JsonToken.Float when !Number().IsMatch(token) => "this is no JSON number, such as 7000 or 0.5",
            JsonToken.Undefined when token is not "undefined" => "a value is missing before this",
            JsonToken.Undefined or JsonToken.StartConstructor => "this is no JSON value",
            _ => null,
        };
        if (fault is not null)
        {
            throw new JsonReaderException(fault);
        }
    }

    [GeneratedRegex(@"\A-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\z")]
    private static partial Regex Number();
}
