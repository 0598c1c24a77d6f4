namespace PluginNamespace.Tests;

/// <summary>A copy of the plugin that counts as another build, for one file more lies beside it.</summary>
internal sealed class OtherBuild : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("PluginName-");

    public OtherBuild(string pluginDll)
    {
        foreach (var file in new FileInfo(pluginDll).Directory!.GetFiles())
        {
            file.CopyTo(Path.Combine(_folder.FullName, file.Name));
        }

        File.WriteAllText(Path.Combine(_folder.FullName, "other.txt"), "");
        PluginDll = Path.Combine(_folder.FullName, Path.GetFileName(pluginDll));
    }

    public string PluginDll { get; }

    public void Dispose() => _folder.Delete(recursive: true);
}
