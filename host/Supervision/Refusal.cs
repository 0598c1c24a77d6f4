using PluginServer.Configuration;

namespace PluginServer.Supervision;

/// <summary>Why the present files do not run, and what they wait for.</summary>
/// <param name="Errors">Empty when they do run.</param>
/// <param name="WaitsFor">plugins.json, and the folders of plugins that cannot be used: a change of one is a reason to try again.</param>
internal sealed record Refusal(IReadOnlyList<ConfigError> Errors, IReadOnlyList<string> WaitsFor);
