using PluginServer.Configuration;

namespace PluginServer.Supervision;

/// <summary>How one attempt to change the running host ended.</summary>
/// <param name="Accepted">False when it was rejected: nothing has changed then, and the errors say why.</param>
/// <param name="Revision">The revision that runs now.</param>
/// <param name="Changes">What has changed, a line each for a person; empty when there was nothing to do.</param>
/// <param name="Errors">Why it was rejected.</param>
internal sealed record ReloadOutcome(bool Accepted, int Revision, IReadOnlyList<string> Changes, IReadOnlyList<ConfigError> Errors);
