using System.Collections;

namespace PluginServer.Plugins;

/// <summary>Which connection the running code of a plugin serves: what its log entries are told apart by.</summary>
/// <remarks>It flows with the handler, and so costs its waits something: it is set only for plugins that log.</remarks>
internal sealed record LogScope(string Endpoint, long Connection)
{
    private static readonly AsyncLocal<LogScope?> _current = new();

    public static LogScope? Current
    {
        get => _current.Value;
        set => _current.Value = value;
    }

    /// <summary>What a log provider is handed.</summary>
    public static IReadOnlyList<KeyValuePair<string, object?>> Of(string plugin, int generation) => Current is { } scope
        ? new Values([new("Endpoint", scope.Endpoint), new("Plugin", plugin), new("Generation", generation), new("Connection", scope.Connection)])
        : new Values([new("Plugin", plugin), new("Generation", generation)]);

    /// <summary>Values for those who write JSON, and a text for those who write lines.</summary>
    private sealed class Values(KeyValuePair<string, object?>[] values) : IReadOnlyList<KeyValuePair<string, object?>>
    {
        public int Count => values.Length;

        public KeyValuePair<string, object?> this[int index] => values[index];

        public IEnumerator<KeyValuePair<string, object?>> GetEnumerator() => ((IEnumerable<KeyValuePair<string, object?>>)values).GetEnumerator();

        IEnumerator IEnumerable.GetEnumerator() => values.GetEnumerator();

        public override string ToString() => string.Join(' ', values.Select(static value => $"{value.Key}:{value.Value}"));
    }
}
