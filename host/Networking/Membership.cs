namespace PluginServer.Networking;

/// <summary>Which groups a connection is in. All are of the plugin that serves it.</summary>
/// <param name="Home">The groups of that plugin, whose lock is this one's too.</param>
internal sealed record Membership(ConnectionGroups Home)
{
    public HashSet<string> Groups { get; } = new(StringComparer.Ordinal);
}
