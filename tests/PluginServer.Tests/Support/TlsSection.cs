using PluginServer.Configuration;
using PluginServer.Networking;

namespace PluginServer.Tests.Support;

/// <summary>The <c>tls</c> section of an endpoint in a plugins.json beside its files.</summary>
internal sealed class TlsSection(string folder, string certificate, string more)
{
    public string File => Path.Combine(folder, "plugins.json");

    /// <summary>All on one line.</summary>
    public string Json => $$"""{ "endpoints": [ { "port": 1, "plugin": "Echo", "tls": { "certificate": "{{certificate}}"{{(more.Length == 0 ? "" : ", " + more)}} } } ] }""";

    /// <summary>Valid as far as that shows without the files.</summary>
    public TlsConfig Read()
    {
        var result = ConfigReader.ReadText(Json, File);
        Assert.That(result.Errors, Is.Empty);
        return result.Config!.Endpoints[0].Tls!;
    }

    public TlsLoad Load(TlsCredentials? present = null) => TlsCredentials.Load(Read(), DateTimeOffset.UtcNow, present);

    /// <summary>Where the value of a key of the section begins.</summary>
    public int Column(string key) => Json.IndexOf($"\"{key}\": ", StringComparison.Ordinal) is var at and >= 0
        ? at + key.Length + 5
        : throw new InvalidOperationException("the key is not in the file");
}
