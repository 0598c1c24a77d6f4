namespace PluginServer.Tests.Support;

/// <summary>A folder of one test's own: plugins.json, a drop folder and a state directory.</summary>
internal sealed class Workspace : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("plugin-server-test-").FullName;

    public string ConfigFile => Path.Combine(Root, "plugins.json");

    public string PluginDirectory => Path.Combine(Root, "plugins");

    public string PluginFolder(string name) => Path.Combine(PluginDirectory, name);

    /// <summary>Copies a plugin's build output into the drop folder.</summary>
    public Workspace With(params string[] fixtures)
    {
        foreach (var name in fixtures)
        {
            var source = name == "Echo" ? Repository.Sample(name) : Repository.Fixture(name);
            Assert.That(Path.Combine(source, $"{name}.dll"), Does.Exist, "the fixture was not built");
            CopyFolder(source, PluginFolder(name));
        }

        return this;
    }

    /// <summary>Writes plugins.json; the drop folder and the state directory are those of this folder.</summary>
    public Workspace Configure(string endpoints, string plugins = "{}", string more = "")
    {
        File.WriteAllText(ConfigFile, $$"""
            {
              "pluginDirectory": "plugins",
              "stateDirectory": "state", "admin": { "port": 0 },{{more}}
              "plugins": {{plugins}},
              "endpoints": {{endpoints}}
            }
            """);
        return this;
    }

    /// <summary>Makes the drop folder of the Swap fixture another build.</summary>
    public Workspace Version(string version)
    {
        File.WriteAllText(Path.Combine(PluginFolder("Swap"), "version.txt"), version);
        return this;
    }

    public void Dispose()
    {
        if (Directory.Exists(Root))
        {
            Directory.Delete(Root, recursive: true);
        }
    }

    private static void CopyFolder(string source, string target)
    {
        foreach (var file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(target, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy, overwrite: true);
        }
    }
}
