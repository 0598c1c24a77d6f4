using PluginServer.Configuration;
using PluginServer.Plugins;

namespace PluginServer.Supervision;

/// <summary>How one attempt ended: with changes, with nothing to change, or with errors and everything as it was.</summary>
/// <param name="Errors">Why not; empty when it was applied.</param>
/// <param name="Failed">The plugins that the errors are about, each with the build that was tried, if it got that far.</param>
/// <param name="Changes">What has changed, a line each.</param>
internal sealed record ApplyResult(IReadOnlyList<ConfigError> Errors, IReadOnlyDictionary<string, (PluginBuild? Build, IReadOnlyList<ConfigError> Errors)> Failed, IReadOnlyList<string> Changes);
