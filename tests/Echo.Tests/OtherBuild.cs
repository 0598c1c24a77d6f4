namespace PluginServer.Plugins.Echo.Tests;

/// <summary>The same plugin as another build: with one file more.</summary>
internal sealed class OtherBuild : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("echo-").FullName;

    public OtherBuild(string path)
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!Directory.Exists(Path.Combine(folder.FullName, path)))
        {
            folder = folder.Parent ?? throw new DirectoryNotFoundException(path);
        }

        Folder = Directory.CreateDirectory(Path.Combine(_root, Path.GetFileName(path))).FullName;
        foreach (var file in Directory.EnumerateFiles(Path.Combine(folder.FullName, path)))
        {
            File.Copy(file, Path.Combine(Folder, Path.GetFileName(file)));
        }

        File.WriteAllText(Path.Combine(Folder, "build.txt"), "another");
    }

    public string Folder { get; }

    public void Dispose() => Directory.Delete(_root, recursive: true);
}
