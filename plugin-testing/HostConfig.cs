using System.Text;
using PluginServer.Configuration;

namespace PluginServer.Testing;

/// <summary>The plugins.json that a test need not write.</summary>
internal static class HostConfig
{
    /// <exception cref="PluginHostException">What the options say is wrong.</exception>
    public static ServerConfig Write(HostFolder folder, string plugin, string endpoint, PluginHostOptions options)
    {
        var text = new StringBuilder();
        text.AppendLine("{").AppendLine("""  "pluginDirectory": "plugins", "stateDirectory": "state", "admin": { "enabled": false },""");
        text.AppendLine($$"""  "plugins": { "{{plugin}}": { "settings": {{options.PluginSettings ?? "{}"}} } },""");
        text.AppendLine($$"""  "endpoints": [ { "name": "{{endpoint}}", "address": "127.0.0.1", "port": 0, "plugin": "{{plugin}}", "settings": {{options.Settings ?? "{}"}}""");
        if (options.Handler is not null)
        {
            text.AppendLine($$"""    , "handler": "{{options.Handler}}" """);
        }

        if (options.Tls)
        {
            text.AppendLine($$"""    , "tls": { "certificate": "{{Path.GetFileName(folder.CertificateFile)}}" }""");
        }

        if (!string.IsNullOrWhiteSpace(options.Endpoint))
        {
            text.AppendLine($"    , {options.Endpoint}");
        }

        text.AppendLine("  } ]").AppendLine("}");
        File.WriteAllText(folder.ConfigFile, text.ToString());
        var read = ConfigReader.ReadText(text.ToString(), folder.ConfigFile);
        return read.Config ?? throw new PluginHostException([.. read.Errors.Select(error => folder.Translate(error.ToString())), "The options make this plugins.json:", .. text.ToString().TrimEnd().Split('\n')]);
    }
}
