using System.Security.Cryptography;
using System.Text;
using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Plugins;

/// <summary>The content-addressed copies that plugins are loaded from.</summary>
internal sealed class PluginStoreTests
{
    private readonly Workspace _workspace = new();

    private PluginStore Store => new(Path.Combine(_workspace.Root, "state"));

    [SetUp]
    public void Fill() => _workspace.With("Echo");

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [Test]
    public void A_build_is_copied_to_a_folder_named_by_its_hash_and_found_there_again()
    {
        var first = Store.Import(_workspace.PluginDirectory, "Echo");
        var second = Store.Import(_workspace.PluginDirectory, "Echo");
        Assert.That(second, Is.EqualTo(first));
        Assert.That(first.Folder, Does.EndWith(first.Sha256));
        Assert.That(PluginStore.Hash(first.Folder), Is.EqualTo(first.Sha256));
        Assert.That(Directory.GetDirectories(Path.GetDirectoryName(first.Folder)!), Has.Length.EqualTo(1), "no half copies are left");
    }

    [Test]
    public void The_hash_is_that_of_the_documented_lines()
    {
        var folder = Path.Combine(_workspace.Root, "hash");
        Directory.CreateDirectory(Path.Combine(folder, "runtimes"));
        File.WriteAllText(Path.Combine(folder, "b.dll"), "bee");
        File.WriteAllText(Path.Combine(folder, "runtimes", "a.so"), "ay");
        File.WriteAllText(Path.Combine(folder, "b.pdb"), "left out");
        File.CreateSymbolicLink(Path.Combine(folder, "link.dll"), "b.dll");
        static string Line(string path, string content) => $"{path}\0{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content)))}\n";
        var expected = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Line("b.dll", "bee") + Line("link.dll", "bee") + Line("runtimes/a.so", "ay"))));
        Assert.That(PluginStore.Hash(folder), Is.EqualTo(expected));
    }

    [Test]
    public void A_changed_build_gets_another_folder_and_a_changed_pdb_does_not()
    {
        var first = Store.Import(_workspace.PluginDirectory, "Echo");
        File.WriteAllText(Path.Combine(_workspace.PluginFolder("Echo"), "Echo.pdb"), "other");
        Assert.That(Store.Import(_workspace.PluginDirectory, "Echo").Sha256, Is.EqualTo(first.Sha256));
        File.WriteAllText(Path.Combine(_workspace.PluginFolder("Echo"), "appsettings.json"), "{}");
        Assert.That(Store.Import(_workspace.PluginDirectory, "Echo").Folder, Is.Not.EqualTo(first.Folder));
        Assert.That(Directory.Exists(first.Folder), Is.True, "the older build stays");
    }

    [Test]
    public void A_damaged_copy_is_made_anew()
    {
        var first = Store.Import(_workspace.PluginDirectory, "Echo");
        File.WriteAllText(first.MainAssembly, "damaged");
        Store.Import(_workspace.PluginDirectory, "Echo");
        Assert.That(PluginStore.Hash(first.Folder), Is.EqualTo(first.Sha256));
    }

    [Test]
    public void A_link_to_a_folder_above_is_not_walked_for_ever()
    {
        Directory.CreateSymbolicLink(Path.Combine(_workspace.PluginFolder("Echo"), "loop"), _workspace.PluginFolder("Echo"));
        Assert.That(() => Store.Import(_workspace.PluginDirectory, "Echo"), Throws.Nothing);
    }

    /// <summary>Kubernetes mounts a folder as links to files in a folder that is a link itself.</summary>
    [Test]
    public void A_plugin_that_is_a_link_is_copied_by_its_content()
    {
        var real = Path.Combine(_workspace.Root, "real");
        Directory.Move(_workspace.PluginFolder("Echo"), real);
        Directory.CreateSymbolicLink(_workspace.PluginFolder("Echo"), real);
        var build = Store.Import(_workspace.PluginDirectory, "Echo");
        Assert.That(new FileInfo(build.MainAssembly).LinkTarget, Is.Null);
        Assert.That(build.MainAssembly, Does.Exist);
    }

    /// <summary>The same files mounted by two kubelets are one build: pinning and rollback go by the hash.</summary>
    [Test]
    public void A_folder_as_Kubernetes_mounts_it_is_the_build_whose_files_it_holds()
    {
        var plain = Store.Import(_workspace.PluginDirectory, "Echo");
        var folder = _workspace.PluginFolder("Echo");
        var files = Path.Combine(folder, "..2026_11_24_04_30_00.123");
        Directory.Move(folder, folder + ".real");
        Directory.CreateDirectory(folder);
        Directory.Move(folder + ".real", files);
        Directory.CreateSymbolicLink(Path.Combine(folder, "..data"), Path.GetFileName(files));
        foreach (var file in new DirectoryInfo(files).EnumerateFileSystemInfos())
        {
            File.CreateSymbolicLink(Path.Combine(folder, file.Name), Path.Combine("..data", file.Name));
        }

        var mounted = Store.Import(_workspace.PluginDirectory, "Echo");
        Assert.That(mounted.Sha256, Is.EqualTo(plain.Sha256));
        Assert.That(Directory.GetFileSystemEntries(mounted.Folder, "..*"), Is.Empty);
        Assert.That(mounted.MainAssembly, Does.Exist);
    }

    [Test]
    public void A_state_directory_that_cannot_be_written_is_named()
    {
        var blocked = Path.Combine(_workspace.Root, "blocked");
        File.WriteAllText(blocked, "a file where a folder should be");
        Assert.That(
            () => new PluginStore(blocked).Import(_workspace.PluginDirectory, "Echo"),
            Throws.InstanceOf<PluginException>().With.Message.Contains($"cannot be copied to {blocked}"));
    }

    [Test]
    public async Task A_full_disk_is_said_to_be_full_and_what_to_do()
    {
        var small = Path.Combine(_workspace.Root, "small");
        Directory.CreateDirectory(small);
        var (code, problem) = await Tools.RunAsync("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", small);
        if (code != 0)
        {
            Assert.Ignore($"needs the right to mount a file system: {problem}");
        }

        try
        {
            Assert.That(
                () => new PluginStore(small).Import(_workspace.PluginDirectory, "Echo"),
                Throws.InstanceOf<PluginException>().With.Message.EqualTo($"plugin Echo: {Path.Combine(_workspace.PluginDirectory, "Echo")} cannot be copied to {Path.Combine(small, "plugins")}: no space is left there; make room, then reload"));
            Assert.That(Directory.GetFileSystemEntries(Path.Combine(small, "plugins", "Echo")), Is.Empty, "nothing half done stays");
        }
        finally
        {
            await Tools.RunAsync("umount", small);
        }
    }
}
