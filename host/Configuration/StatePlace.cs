using Newtonsoft.Json;

namespace PluginServer.Configuration;

/// <summary>Where a host keeps its state, for whoever looks for a running one: it runs on while its plugins.json is broken.</summary>
internal static class StatePlace
{
    /// <summary>The absolute path, as far as the file still tells.</summary>
    public static string Of(string file) => ConfigReader.Read(file).Config?.StateDirectory ?? Guess(file);

    private static string Guess(string file)
    {
        var systemd = Environment.GetEnvironmentVariable("STATE_DIRECTORY")?.Split(':')[0];
        var named = Named(file) ?? (string.IsNullOrEmpty(systemd) ? ".plugin-server" : systemd);
        return Path.GetFullPath(named, Path.GetDirectoryName(Path.GetFullPath(file))!);
    }

    // Token by token: what stands before the place where the file breaks can still be read.
    private static string? Named(string file)
    {
        try
        {
            using var reader = new JsonTextReader(File.OpenText(file));
            while (reader.Read())
            {
                if (reader is { TokenType: JsonToken.PropertyName, Depth: 1, Value: "stateDirectory" })
                {
                    return reader.Read() && reader is { TokenType: JsonToken.String, Value: string { Length: > 0 } path } && !path.Contains('\0') ? path : null;
                }
            }
        }
        catch (Exception error) when (error is JsonReaderException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }

        return null;
    }
}
