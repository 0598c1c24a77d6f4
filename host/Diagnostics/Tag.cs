namespace PluginServer.Diagnostics;

/// <summary>What metrics and activities are tagged with.</summary>
internal static class Tag
{
    public const string EndpointName = "pluginserver.endpoint";
    public const string PluginName = "pluginserver.plugin";
    public const string GenerationNumber = "pluginserver.generation";
    public const string ConnectionNumber = "pluginserver.connection";
    public const string ErrorType = "error.type";

    public static KeyValuePair<string, object?> Endpoint(string name) => new(EndpointName, name);

    public static KeyValuePair<string, object?> Plugin(string name) => new(PluginName, name);

    public static KeyValuePair<string, object?> Generation(int number) => new(GenerationNumber, number);

    public static KeyValuePair<string, object?> Error(string type) => new(ErrorType, type);

    public static KeyValuePair<string, object?> Reason(string reason) => new("reason", reason);

    public static KeyValuePair<string, object?> Outcome(string outcome) => new("outcome", outcome);

    public static KeyValuePair<string, object?> State(string state) => new("state", state);
}
