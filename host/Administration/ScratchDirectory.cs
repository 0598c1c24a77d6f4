namespace PluginServer.Administration;

/// <summary>A folder for copies that only one command needs: a check must not touch the state of a running host.</summary>
internal sealed class ScratchDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("plugin-server-").FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
