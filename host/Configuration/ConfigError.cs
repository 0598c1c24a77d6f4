namespace PluginServer.Configuration;

/// <summary>One thing wrong with plugins.json or with what it names, in words that an operator can act on.</summary>
/// <param name="File">The file as the operator named it.</param>
/// <param name="Line">From 1.</param>
/// <param name="Column">From 1, in UTF-16 code units.</param>
/// <param name="Path">The JSON path, such as <c>endpoints[1].port</c>; empty for the file as a whole.</param>
/// <param name="Message">What is wrong and what is allowed.</param>
internal sealed record ConfigError(string File, int Line, int Column, string Path, string Message)
{
    public override string ToString() =>
        Path.Length == 0 ? $"{File}:{Line}:{Column}: {Message}" : $"{File}:{Line}:{Column}: {Path}: {Message}";
}
