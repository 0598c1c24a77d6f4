namespace PluginServer.Plugins;

/// <summary>One build of a plugin, in a folder that nobody writes to.</summary>
/// <param name="Name">The plugin's name.</param>
/// <param name="Sha256">The hash of the whole folder, in lower-case hexadecimal.</param>
/// <param name="Folder">Absolute path of the host's copy.</param>
/// <param name="Source">The folder it was copied from, for messages.</param>
internal sealed record PluginBuild(string Name, string Sha256, string Folder, string Source)
{
    public string MainAssembly => Path.Combine(Folder, $"{Name}.dll");

    /// <summary>Enough of the hash to tell builds apart at a glance.</summary>
    public string ShortHash => Sha256[..12];
}
