namespace PluginServer.Networking;

/// <summary>What systemd says to a process that it starts.</summary>
internal static class SystemdVariables
{
    /// <summary>Reads a variable and takes it away, so that no child thinks it is meant; null where it is not set. What the runtime gives to
    /// children is a copy of its own, so code that is not managed still finds it with getenv(3).</summary>
    public static string? Take(string name)
    {
        var value = Environment.GetEnvironmentVariable(name);
        Environment.SetEnvironmentVariable(name, null);
        return value;
    }
}
