using Microsoft.Extensions.Logging.Abstractions;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>What is watched, how soon a signal comes, and what happens when events fail.</summary>
internal sealed class ChangeWatcherRulesTests
{
    [Test]
    public async Task An_event_brings_the_signal_before_the_next_poll()
    {
        await using var site = new WatchedSite(null);
        site.Watch("Echo");
        await site.IdleAsync();
        site.MoveOver(site.Elsewhere("Echo.dll"), 1001);
        await site.HeededAsync();
        await site.OneSignalWithinAsync(1.3);
    }

    [Test]
    public async Task Events_come_from_a_plugin_directory_that_was_replaced([Values] bool deleted)
    {
        await using var site = new WatchedSite(null);
        site.Watch("Echo");
        await site.IdleAsync();
        if (deleted)
        {
            Directory.Delete(site.Plugins, recursive: true);
        }
        else
        {
            Directory.Move(site.Plugins, site.Elsewhere("../old"));
        }

        WatchedSite.Write(site.Dll, 1001);
        await site.OneSignalWithinAsync(3.2);
        await site.PassAsync(0.1);
        await Deadline.UntilAsync(() => site.Time.NextDue > TimeSpan.FromMilliseconds(100), "no look is under way");
        site.MoveOver(site.Elsewhere("Echo.dll"), 1002);
        await site.HeededAsync();
        await site.OneSignalWithinAsync(1.3);
        Assert.That(site.Log, Is.Empty, "a replaced directory is no failure of the events");
    }

    [Test]
    public void A_long_look_is_no_settling()
    {
        using var workspace = new Workspace();
        WatchedSite.Write(workspace.ConfigFile, 100);
        var time = new ManualTime();
        var path = new WatchedPath(workspace.ConfigFile, time);
        WatchedSite.Write(workspace.ConfigFile, 101);
        path.Look();
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.That((path.HasChanged, path.Still), Is.EqualTo((true, TimeSpan.Zero)), "it was looked at only once");
        path.Look();
        Assert.That(path.Still, Is.EqualTo(TimeSpan.FromSeconds(5)));
    }

    [Test]
    public async Task In_real_time()
    {
        using var workspace = new Workspace();
        WatchedSite.Write(workspace.ConfigFile, 100);
        await using var watcher = new ChangeWatcher(TimeProvider.System, NullLogger.Instance);
        watcher.Watch(workspace.ConfigFile, workspace.PluginDirectory, []);
        WatchedSite.Write(workspace.ConfigFile, 101);
        Assert.That(await watcher.Changes.ReadAsync().Within(), Is.True);
    }

    [Test]
    public async Task A_missing_folder_and_a_missing_configuration_may_come_later()
    {
        await using var site = new WatchedSite(null);
        var folder = site.Elsewhere("later");
        site.Watcher.Watch(Path.Combine(folder, "plugins.json"), Path.Combine(folder, "plugins"), ["Echo"]);
        await site.NoSignalAsync();
        WatchedSite.Write(Path.Combine(folder, "plugins.json"), 100);
        await site.OneSignalWithinAsync(3.2);
        WatchedSite.Write(Path.Combine(folder, "plugins", "Echo", "Echo.dll"), 100);
        await site.OneSignalWithinAsync(3.2);
        Directory.Delete(folder, recursive: true);
        await site.OneSignalWithinAsync(3.2);
        Assert.That(site.Log, Is.Empty, "a missing directory is no failure of the events");
    }

    [Test]
    public async Task What_is_watched_again_keeps_its_state_and_what_is_new_counts_from_now()
    {
        await using var site = new WatchedSite(WatchedSite.NoEvents);
        site.Watch("Echo");
        await site.IdleAsync();
        WatchedSite.Write(site.Dll, 1001);
        WatchedSite.Write(Path.Combine(site.Plugins, "Other", "Other.dll"), 1001);
        site.Watch("Echo", "Other");
        await site.OneSignalWithinAsync(3.2);
        WatchedSite.Write(Path.Combine(site.Plugins, "Other", "Other.dll"), 1002);
        await site.OneSignalWithinAsync(3.2);
        site.Watch("Other");
        WatchedSite.Write(site.Dll, 1003);
        await site.NoSignalAsync();
    }

    [Test]
    public async Task Signals_that_nobody_took_are_one()
    {
        await using var site = new WatchedSite(WatchedSite.NoEvents);
        site.Watch("Echo");
        for (var change = 1; change <= 2; change++)
        {
            WatchedSite.Write(site.Dll, 1000 + change);
            await site.PassAsync(3.2);
        }

        Assert.That(site.Signal, Is.True);
        Assert.That(site.Signal, Is.False);
    }

    [Test]
    public async Task A_copy_elsewhere_holds_a_signal_back_but_not_for_ever()
    {
        await using var site = new WatchedSite(WatchedSite.NoEvents);
        site.Watch("Echo", "Other");
        await site.IdleAsync();
        WatchedSite.Write(site.Dll, 1001);
        var seconds = 0;
        for (; !site.Signal; seconds++)
        {
            WatchedSite.Write(Path.Combine(site.Plugins, "Other", "Other.log"), seconds);
            await site.PassAsync(0.5);
            WatchedSite.Write(Path.Combine(site.Plugins, "Other", "Other.log"), 1000 + seconds);
            await site.PassAsync(0.5);
            Assert.That(seconds, Is.LessThan(40));
        }

        Assert.That(seconds, Is.GreaterThan(28));
        await site.OneSignalWithinAsync(3.2);
    }

    [Test]
    public async Task A_link_to_itself_and_one_to_a_folder_above_are_no_trouble()
    {
        await using var site = new WatchedSite(null);
        site.Watch("Echo");
        await site.IdleAsync();
        File.CreateSymbolicLink(site.InEcho("self.dll"), "self.dll");
        Directory.CreateSymbolicLink(site.InEcho("up"), site.Echo);
        await site.OneSignalWithinAsync(3.2);
        WatchedSite.Write(site.Dll, 1001);
        await site.OneSignalWithinAsync(3.2);
    }

    [Test]
    public async Task Without_events_it_warns_once()
    {
        await using var site = new WatchedSite(WatchedSite.NoEvents);
        site.Watch("Echo");
        await site.PassAsync(30);
        Assert.That(site.Log.Single(), Does.StartWith("Warning 105: ").And.Contain("no more inotify instances"));
    }

    [Test]
    public async Task Events_that_fail_are_listened_to_anew()
    {
        var made = new List<Failing>();
        await using var site = new WatchedSite(directory =>
        {
            made.Add(new Failing(directory));
            return made[^1];
        });
        site.Watch("Echo");
        await site.PassAsync(12);
        Assert.That(made, Has.Count.EqualTo(2));
        made[1].Fail();
        await site.PassAsync(14.1);
        Assert.That(made, Has.Count.EqualTo(3));
        Assert.That(site.Log, Has.Count.EqualTo(1));
        await site.PassAsync(30);
        Assert.That(made, Has.Count.EqualTo(3));
    }

    [Test]
    public async Task Disposal_ends_everything()
    {
        var site = new WatchedSite(null);
        site.Watch("Echo");
        await site.DisposeAsync();
        await site.DisposeAsync();
        Assert.That(site.Time.Timers, Is.Zero);
        Assert.That(site.Watcher.Changes.Completion.IsCompleted, Is.True);
        site.Watch("Echo");
        Assert.That(site.Signal, Is.False);
    }

    private sealed class Failing(string directory) : FileSystemWatcher(directory)
    {
        public void Fail() => OnError(new ErrorEventArgs(new InternalBufferOverflowException("too many events")));
    }
}
