namespace PluginServer.Configuration;

/// <summary>What plugins.json says of one plugin, apart from the endpoints it serves.</summary>
internal sealed record PluginConfig
{
    public required string Name { get; init; }

    /// <summary>The plugin's own settings, for its services.</summary>
    public required ConfigSettings Settings { get; init; }
}
