namespace PluginServer.Configuration;

/// <summary>Text to a valid <see cref="ServerConfig"/>, or to every error in it.</summary>
internal static class ConfigReader
{
    /// <summary>Reads a file. <paramref name="file"/> is shown in errors as given; relative paths inside are relative to it.</summary>
    public static ConfigResult Read(string file) => throw new NotSupportedException(file);
}

/// <summary>Either a configuration and no errors, or errors and no configuration.</summary>
internal sealed record ConfigResult(ServerConfig? Config, IReadOnlyList<ConfigError> Errors);
