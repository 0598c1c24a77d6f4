using Microsoft.Extensions.Logging;

namespace PluginServer.Configuration;

/// <summary>What plugins.json says of one plugin, apart from the endpoints it serves.</summary>
internal sealed record PluginConfig
{
    public required string Name { get; init; }

    /// <summary>The plugin's own settings, for its services.</summary>
    public required ConfigSettings Settings { get; init; }

    /// <summary>Which threads run its handlers.</summary>
    public DispatchKind Dispatch { get; init; }

    /// <summary>The least severe of its log entries that are written.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary>After a swap: null lets the connections of the replaced build go on, untold; otherwise they are told, and cut then.</summary>
    public TimeSpan? DrainTimeout { get; init; }

    /// <summary>The one build that may run, in lower case; null allows any.</summary>
    public string? Sha256 { get; init; }

    /// <summary>Where the entry stands; null where the file has none.</summary>
    public ConfigPosition? Position { get; init; }
}
