using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace PluginServer.Tests.Supervision;

/// <summary>Every way in which people replace a plugin or plugins.json gives exactly one signal, with events and by polling alone.</summary>
[TestFixture(true)]
[TestFixture(false)]
internal sealed partial class ChangeWatcherTests(bool events)
{
    // A poll, the settle time and the shortest pause between two looks; time may pass during a look that an event has brought.
    private readonly double _longest = events ? 5 : 3.2;
    private readonly WatchedSite _site = new(events ? null : WatchedSite.NoEvents);

    [SetUp]
    public void Watch() => _site.Watch("Echo");

    [TearDown]
    public async Task Remove() => await _site.DisposeAsync();

    [Test]
    public Task Copied_over() => GivesOneAsync(async () =>
    {
        await using var file = new FileStream(_site.Dll, FileMode.Truncate, FileAccess.Write, FileShare.ReadWrite);
        for (var chunk = 0; chunk < 3; chunk++)
        {
            await AppendAsync(file);
        }
    });

    [Test]
    public Task Copied_slowly() => GivesOneAsync(async () =>
    {
        await using var file = new FileStream(_site.Dll, FileMode.Truncate, FileAccess.Write, FileShare.ReadWrite);
        for (var chunk = 0; chunk < 40; chunk++)
        {
            await AppendAsync(file);
            await _site.PassAsync(0.3);
        }
    });

    [Test]
    public Task Moved_over() => GivesOneAsync(() => _site.MoveOver(_site.Elsewhere("Echo.dll"), 1001));

    [Test]
    public Task Moved_over_with_the_same_length_and_time() => GivesOneAsync(() =>
    {
        var time = File.GetLastWriteTimeUtc(_site.Dll);
        WatchedSite.Write(_site.Elsewhere("Echo.dll"), 1000);
        File.SetLastWriteTimeUtc(_site.Elsewhere("Echo.dll"), time);
        File.Move(_site.Elsewhere("Echo.dll"), _site.Dll, overwrite: true);
    });

    [Test]
    public Task By_rsync() => GivesOneAsync(async () =>
    {
        WatchedSite.Write(_site.InEcho(".Echo.dll.x7Yz"), 700);
        await _site.PassAsync(0.5);
        _site.MoveOver(_site.InEcho(".Echo.dll.x7Yz"), 1400);
        await _site.PassAsync(0.2);
        WatchedSite.Write(_site.InEcho(".Echo.deps.json.Qq1"), 400);
        File.Move(_site.InEcho(".Echo.deps.json.Qq1"), _site.InEcho("Echo.deps.json"), overwrite: true);
    });

    [Test]
    public Task Folder_renamed_away_and_another_in() => GivesOneAsync(async () =>
    {
        WatchedSite.Write(Path.Combine(_site.Plugins, "Echo.new", "Echo.dll"), 1001);
        Directory.Move(_site.Echo, Path.Combine(_site.Plugins, "Echo.old"));
        await _site.PassAsync(0.2);
        Directory.Move(Path.Combine(_site.Plugins, "Echo.new"), _site.Echo);
    });

    [Test]
    public Task Plugin_directory_replaced() => GivesOneAsync(() =>
    {
        WatchedSite.Write(_site.Elsewhere("plugins/Echo/Echo.dll"), 1001);
        Directory.Move(_site.Plugins, $"{_site.Plugins}.old");
        Directory.Move(_site.Elsewhere("plugins"), _site.Plugins);
    });

    [Test]
    public async Task Link_flipped()
    {
        WatchedSite.Write(_site.Elsewhere("v1/Echo.dll"), 1000);
        WatchedSite.Write(_site.Elsewhere("v2/Echo.dll"), 1000);
        Directory.CreateSymbolicLink(Path.Combine(_site.Plugins, "Linked"), _site.Elsewhere("v1"));
        _site.Watch("Linked");
        await GivesOneAsync(() => Flip(Path.Combine(_site.Plugins, "Linked"), _site.Elsewhere("v2")));
    }

    [Test]
    public async Task Target_of_a_relative_link_below_a_linked_folder_written()
    {
        WatchedSite.Write(_site.Elsewhere("shared/Echo.dll"), 1000);
        Directory.CreateDirectory(_site.Elsewhere("v1"));
        File.CreateSymbolicLink(_site.Elsewhere("v1/Echo.dll"), "../shared/Echo.dll");
        Directory.CreateSymbolicLink(Path.Combine(_site.Plugins, "Linked"), _site.Elsewhere("v1"));
        _site.Watch("Linked");
        await GivesOneAsync(() => WatchedSite.Write(_site.Elsewhere("shared/Echo.dll"), 1001));
    }

    [Test]
    public async Task Mounted_by_Kubernetes([Values] bool config)
    {
        var mount = config ? Path.GetDirectoryName(_site.Config)! : Path.Combine(_site.Plugins, "Mounted");
        var name = config ? "plugins.json" : "Mounted.dll";
        File.Delete(_site.Config);
        WatchedSite.Write(Path.Combine(mount, "..2026_01", name), 1000);
        Directory.CreateSymbolicLink(Path.Combine(mount, "..data"), "..2026_01");
        File.CreateSymbolicLink(Path.Combine(mount, name), Path.Combine("..data", name));
        _site.Watch();
        await _site.OneSignalWithinAsync(_longest);
        _site.Watch("Mounted");
        await GivesOneAsync(() =>
        {
            WatchedSite.Write(Path.Combine(mount, "..2026_02", name), 1000);
            Flip(Path.Combine(mount, "..data"), "..2026_02");
            Directory.Delete(Path.Combine(mount, "..2026_01"), recursive: true);
        });
    }

    [Test]
    public async Task Certificate_copied_over()
    {
        WatchCertificate("certs");
        await GivesOneAsync(() => WatchedSite.Write(_site.Elsewhere("certs/tls.crt"), 1001));
    }

    [Test]
    public async Task Certificate_moved_over_with_the_same_length_and_time()
    {
        WatchCertificate("certs");
        var time = File.GetLastWriteTimeUtc(_site.Elsewhere("certs/tls.crt"));
        await GivesOneAsync(() =>
        {
            WatchedSite.Write(_site.Elsewhere("new.crt"), 1000);
            File.SetLastWriteTimeUtc(_site.Elsewhere("new.crt"), time);
            File.Move(_site.Elsewhere("new.crt"), _site.Elsewhere("certs/tls.crt"), overwrite: true);
        });
    }

    [Test]
    public async Task Certificate_and_key_replaced_one_after_the_other()
    {
        WatchCertificate("certs");
        await GivesOneAsync(async () =>
        {
            WatchedSite.Write(_site.Elsewhere("certs/tls.crt"), 1001);
            await _site.PassAsync(0.7);
            WatchedSite.Write(_site.Elsewhere("certs/tls.key"), 301);
        });
    }

    [Test]
    public async Task Certificate_behind_a_link_that_is_flipped()
    {
        // As certbot has them: live/tls.crt -> ../archive/tls1.crt.
        WatchedSite.Write(_site.Elsewhere("archive/tls1.crt"), 1000);
        Directory.CreateDirectory(_site.Elsewhere("live"));
        File.CreateSymbolicLink(_site.Elsewhere("live/tls.crt"), "../archive/tls1.crt");
        _site.WatchFiles(_site.Elsewhere("live/tls.crt"));
        await GivesOneAsync(() =>
        {
            WatchedSite.Write(_site.Elsewhere("archive/tls2.crt"), 1000);
            Flip(_site.Elsewhere("live/tls.crt"), "../archive/tls2.crt");
        });
        await GivesOneAsync(() => WatchedSite.Write(_site.Elsewhere("archive/tls2.crt"), 1001));
    }

    [Test]
    public async Task Certificate_in_a_mount_of_Kubernetes([Values] bool linked)
    {
        WatchedSite.Write(_site.Elsewhere("mount/..2026_01/tls.crt"), 1000);
        var time = File.GetLastWriteTimeUtc(_site.Elsewhere("mount/..2026_01/tls.crt"));
        Directory.CreateSymbolicLink(_site.Elsewhere("mount/..data"), "..2026_01");
        File.CreateSymbolicLink(_site.Elsewhere("mount/tls.crt"), "..data/tls.crt");
        _site.WatchFiles(_site.Elsewhere(linked ? "mount/tls.crt" : "mount/..data/tls.crt"));
        await GivesOneAsync(() =>
        {
            WatchedSite.Write(_site.Elsewhere("mount/..2026_02/tls.crt"), 1000);
            File.SetLastWriteTimeUtc(_site.Elsewhere("mount/..2026_02/tls.crt"), time);
            Flip(_site.Elsewhere("mount/..data"), "..2026_02");
            Directory.Delete(_site.Elsewhere("mount/..2026_01"), recursive: true);
        });
    }

    [Test]
    public async Task Certificate_that_comes_only_later()
    {
        _site.WatchFiles(_site.Elsewhere("not/yet/tls.crt"));
        await GivesOneAsync(() => WatchedSite.Write(_site.Elsewhere("not/yet/tls.crt"), 1000));
        await GivesOneAsync(() => Directory.Delete(_site.Elsewhere("not"), recursive: true));
    }

    [Test]
    public async Task A_sibling_of_a_certificate_gives_none()
    {
        WatchCertificate("certs");
        await _site.IdleAsync();
        WatchedSite.Write(_site.Elsewhere("certs/other.crt"), 1000);
        await _site.NoSignalAsync();
    }

    [Test]
    public Task By_dotnet_publish() => GivesOneAsync(async () =>
    {
        foreach (var file in new[] { "Echo.dll", "Echo.pdb", "Echo.deps.json", "runtimes/native.so" })
        {
            WatchedSite.Write(_site.InEcho(file), 1200);
            await _site.PassAsync(0.15);
        }
    });

    [Test]
    public Task Unzipped_into_a_new_folder() => GivesOneAsync(async () =>
    {
        Directory.Delete(_site.Echo, recursive: true);
        foreach (var file in new[] { "Echo.dll", "Echo.deps.json", "runtimes/linux-x64/native/native.so", "Echo.runtimeconfig.json" })
        {
            WatchedSite.Write(_site.InEcho(file), 800);
            await _site.PassAsync(0.4);
        }
    });

    [Test]
    public Task Configuration_saved_by_vim() => GivesOneAsync(() =>
    {
        WatchedSite.Write(Path.Combine(Path.GetDirectoryName(_site.Config)!, "4913"), 0);
        File.Delete(Path.Combine(Path.GetDirectoryName(_site.Config)!, "4913"));
        File.Move(_site.Config, $"{_site.Config}~");
        WatchedSite.Write(_site.Config, 101);
        File.Delete($"{_site.Config}~");
    });

    [Test]
    public Task Configuration_written_in_place() => GivesOneAsync(async () =>
    {
        WatchedSite.Write(_site.Config, 0);
        await _site.PassAsync(0.05);
        WatchedSite.Write(_site.Config, 101);
    });

    [Test]
    public Task Touched() => GivesOneAsync(() => File.SetLastWriteTimeUtc(_site.Dll, new DateTime(2020, 2, 2, 0, 0, 0, DateTimeKind.Utc)));

    [Test]
    [SupportedOSPlatform("linux")]
    public Task Made_readable() => GivesOneAsync(() => File.SetUnixFileMode(_site.Dll, UnixFileMode.UserRead));

    [Test]
    public async Task Taken_away_and_restored_in_time_gives_none()
    {
        await _site.IdleAsync();
        File.Move(_site.Dll, _site.Elsewhere("../aside"));
        await _site.PassAsync(0.8);
        File.Move(_site.Elsewhere("../aside"), _site.Dll);
        await _site.NoSignalAsync();
    }

    [Test]
    public async Task A_sibling_gives_none()
    {
        await _site.IdleAsync();
        WatchedSite.Write(Path.Combine(_site.Plugins, "Other", "Other.dll"), 1001);
        WatchedSite.Write(Path.Combine(Path.GetDirectoryName(_site.Config)!, "plugins.schema.json"), 1001);
        await _site.NoSignalAsync();
    }

    private void WatchCertificate(string folder)
    {
        WatchedSite.Write(_site.Elsewhere($"{folder}/tls.crt"), 1000);
        WatchedSite.Write(_site.Elsewhere($"{folder}/tls.key"), 300);
        _site.WatchFiles(_site.Elsewhere($"{folder}/tls.crt"), _site.Elsewhere($"{folder}/tls.key"));
    }

    private static void Flip(string link, string target)
    {
        File.CreateSymbolicLink($"{link}_tmp", target);

        // The runtime's own move looks through the link; rename(2) is what "mv -T" and Kubernetes call.
        Assert.That(Rename($"{link}_tmp", link), Is.Zero);
    }

    [LibraryImport("libc", EntryPoint = "rename", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Rename(string from, string to);

    private static async Task AppendAsync(FileStream file)
    {
        await file.WriteAsync(new byte[700]);
        await file.FlushAsync();
    }

    private Task GivesOneAsync(Action deploy) => GivesOneAsync(() =>
    {
        deploy();
        return Task.CompletedTask;
    });

    private async Task GivesOneAsync(Func<Task> deploy)
    {
        await _site.IdleAsync();
        await deploy();
        Assert.That(_site.Signal, Is.False, "a signal before the end");
        await _site.OneSignalWithinAsync(_longest);
    }
}
