using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>Either credentials and no errors, or errors and no credentials.</summary>
internal sealed record TlsLoad(TlsCredentials? Credentials, IReadOnlyList<ConfigError> Errors);
