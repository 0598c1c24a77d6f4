namespace PluginServer.Testing;

/// <summary>What plugins.json would say of the plugin and its endpoint, and what the test decides beside it.</summary>
public sealed record PluginHostOptions
{
    /// <summary>The handler's type, simple or full name; needed only where the plugin has several.</summary>
    public string? Handler { get; init; }

    /// <summary>The handler's own settings, as a JSON object: <c>endpoints[].settings</c>.</summary>
    public string? Settings { get; init; }

    /// <summary>The plugin's settings, as a JSON object: <c>plugins.X.settings</c>.</summary>
    public string? PluginSettings { get; init; }

    /// <summary>More keys of the endpoint, as members of a JSON object: <c>"idleTimeout": "00:00:05", "proxyProtocol": "required"</c>.</summary>
    public string? Endpoint { get; init; }

    /// <summary>What connections run over.</summary>
    public PluginTransport Transport { get; init; }

    /// <summary>Gives the endpoint TLS with a certificate made for this host, which clients trust and no other.</summary>
    public bool Tls { get; init; }

    /// <summary>Host and plugin have the system's time instead of a <see cref="VirtualTime"/>.</summary>
    public bool RealTime { get; init; }
}
