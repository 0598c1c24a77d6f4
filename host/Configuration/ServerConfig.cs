using System.Collections.Immutable;

namespace PluginServer.Configuration;

/// <summary>The whole of plugins.json, valid and with every default filled in.</summary>
internal sealed record ServerConfig
{
    /// <summary>Absolute path of the file it was read from.</summary>
    public required string File { get; init; }

    /// <summary>Absolute path; a plugin lies in a folder of its name below it.</summary>
    public required string PluginDirectory { get; init; }

    /// <summary>Absolute path.</summary>
    public required string StateDirectory { get; init; }

    /// <summary>Limit over the whole host; null takes it from the open-file limit.</summary>
    public int? MaxConnections { get; init; }

    public TimeSpan ShutdownDelay { get; init; }

    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    public AdminConfig Admin { get; init; } = new();

    public ImmutableSortedDictionary<string, PluginConfig> Plugins { get; init; } = ImmutableSortedDictionary<string, PluginConfig>.Empty;

    public required ImmutableArray<EndpointConfig> Endpoints { get; init; }

    /// <summary>All that the <c>tls</c> sections name, by absolute paths.</summary>
    public IReadOnlyList<string> CredentialFiles => [.. Endpoints.SelectMany(endpoint => endpoint.Tls?.Files ?? []).Distinct(StringComparer.Ordinal)];

    /// <summary>Where the root stands; <c>Position["pluginDirectory"]</c> is where that key's value does.</summary>
    public ConfigPosition Position { get; init; } = new("plugins.json", "", ImmutableDictionary<string, (int, int)>.Empty);

    /// <summary>The plugin's own entry, or an empty one where the file has none.</summary>
    public PluginConfig Plugin(string name) => Plugins.GetValueOrDefault(name) ?? new PluginConfig
    {
        Name = name,
        Settings = ConfigSettings.None with { Position = Position.Child("plugins").Child(name).Child("settings") },
    };
}
