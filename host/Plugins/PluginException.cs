namespace PluginServer.Plugins;

/// <summary>A plugin cannot be used; the message says what, why and what to do, and holds nothing of the plugin's.</summary>
internal sealed class PluginException(string message) : Exception(message);
