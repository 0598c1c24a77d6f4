using System.Text;

namespace PluginServer.Configuration;

/// <summary>Text to a valid <see cref="ServerConfig"/>, or to every error in it.</summary>
internal static class ConfigReader
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads a file. <paramref name="file"/> is shown in errors as given; relative paths inside are relative to it.</summary>
    public static ConfigResult Read(string file)
    {
        try
        {
            var bytes = File.ReadAllBytes(file);
            using var reader = new StreamReader(new MemoryStream(bytes), StrictUtf8);
            try
            {
                return ReadText(reader.ReadToEnd(), file, Environment.GetEnvironmentVariable("STATE_DIRECTORY"));
            }
            catch (DecoderFallbackException)
            {
                var text = Encoding.UTF8.GetString(bytes);
                var (line, column) = new SourceText(text).PositionOf(text.IndexOf('\uFFFD', StringComparison.Ordinal));
                return new ConfigResult(null, [new ConfigError(file, line, column, "", "this is no UTF-8 text, expected JSON in UTF-8")]);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            return new ConfigResult(null, [new ConfigError(file, 1, 1, "", Unreadable(file, exception))]);
        }
    }

    /// <summary>As <see cref="Read"/>, of a text that was read already.</summary>
    /// <param name="text">The content of the file.</param>
    /// <param name="file">The file as the operator named it.</param>
    /// <param name="stateDirectory">The default that systemd gives: its $STATE_DIRECTORY, which may list several.</param>
    public static ConfigResult ReadText(string text, string file, string? stateDirectory = null)
    {
        var (root, fault) = SourceParser.Parse(text);
        if (root is null)
        {
            return new ConfigResult(null, [new ConfigError(file, fault!.Start.Line, fault.Start.Column, "", fault.Message)]);
        }

        var errors = new List<ConfigError>();
        var positions = new ConfigPositions(file, root);
        var section = new ConfigSection(ConfigKeys.Root, root);
        new ConfigCheck(file, errors).Check(ConfigKeys.Root, root);
        new EndpointRules(positions, Path.GetDirectoryName(Path.GetFullPath(file))!, errors).Check(section.Items("endpoints"));
        new AdminRules(positions, errors).Check(section.Section("admin"));
        foreach (var tls in section.Items("endpoints").Append(section.Section("admin")).Select(owner => owner.Section("tls")))
        {
            new TlsRules(positions, errors).Check(tls);
        }

        return errors.Count > 0
            ? new ConfigResult(null, [.. errors.OrderBy(error => error.Line).ThenBy(error => error.Column)])
            : new ConfigResult(new ConfigProjection(Path.GetFullPath(file), positions).Server(section, stateDirectory?.Split(':')[0]), []);
    }

    private static string Unreadable(string file, Exception exception) => exception switch
    {
        _ when file.Length == 0 => "no file is named, expected the path of a plugins.json",
        _ when Directory.Exists(file) => "this is a directory, expected a JSON file",
        FileNotFoundException or DirectoryNotFoundException => $"there is no such file ({Path.GetFullPath(file)}); create it, or name another with --config",
        UnauthorizedAccessException => "this user may not read the file; change its permissions",
        _ => $"the file cannot be read: {exception.Message}",
    };
}

/// <summary>Either a configuration and no errors, or errors and no configuration.</summary>
internal sealed record ConfigResult(ServerConfig? Config, IReadOnlyList<ConfigError> Errors);
