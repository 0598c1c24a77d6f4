using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>Real files under a watcher whose time passes when the test says so.</summary>
internal sealed class WatchedSite : IAsyncDisposable, ILogger
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(50);
    private readonly Workspace _workspace = new();

    /// <summary>A site with plugins.json, the watched plugin Echo and its sibling Other, watched or not.</summary>
    public WatchedSite(Func<string, FileSystemWatcher>? create)
    {
        Write(Config, 100);
        Write(Dll, 1000);
        Write(InEcho("Echo.deps.json"), 300);
        Write(InEcho("runtimes/native.so"), 500);
        Write(Path.Combine(Plugins, "Other", "Other.dll"), 1000);
        Watcher = new ChangeWatcher(Time, this, create);
    }

    public ManualTime Time { get; } = new();

    public ChangeWatcher Watcher { get; }

    public ConcurrentQueue<string> Log { get; } = [];

    public string Config => _workspace.ConfigFile;

    public string Plugins => _workspace.PluginDirectory;

    public string Echo => _workspace.PluginFolder("Echo");

    public string Dll => InEcho("Echo.dll");

    public bool Signal => Watcher.Changes.TryRead(out _);

    /// <summary>Throws where the runtime throws when inotify has run out.</summary>
    public static FileSystemWatcher NoEvents(string directory) => throw new IOException("no more inotify instances");

    /// <summary>A file of that length; tests change the length, as the times of two quick writes may be alike.</summary>
    public static void Write(string path, int length)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, new byte[length]);
    }

    /// <summary>Replaces the plugin's DLL in one step: no look sees half of it.</summary>
    public void MoveOver(string from, int length)
    {
        Write(from, length);
        File.Move(from, Dll, overwrite: true);
    }

    public string InEcho(string file) => Path.Combine(Echo, file);

    /// <summary>A place outside of all that is watched.</summary>
    public string Elsewhere(string name) => Path.Combine(_workspace.Root, "elsewhere", name);

    public void Watch(params string[] plugins) => Watcher.Watch(Config, Plugins, plugins);

    public void WatchFiles(params string[] files) => Watcher.Watch(Config, Plugins, [], files);

    /// <summary>Lets time pass in small steps; the watcher keeps up with each.</summary>
    public async Task PassAsync(double seconds)
    {
        for (var left = TimeSpan.FromSeconds(seconds); left > TimeSpan.Zero; left -= Step)
        {
            Time.Advance(Step);
            await Deadline.UntilAsync(() => Time.Timers > 0, "the watcher waits");
        }
    }

    /// <summary>Past the shortest pause between two looks, so that an event is heeded at once.</summary>
    public async Task IdleAsync()
    {
        await Deadline.UntilAsync(() => Time.Timers > 0, "the watcher waits");
        await PassAsync(0.1);
    }

    /// <summary>Waits, without time passing, until an event has made the watcher look.</summary>
    public Task HeededAsync() => Deadline.UntilAsync(() => Time.NextDue <= TimeSpan.FromMilliseconds(100), "an event came");

    /// <summary>One signal within the time, and no other over two polls and the settle time.</summary>
    public async Task OneSignalWithinAsync(double seconds)
    {
        var left = seconds;
        while (!Signal)
        {
            Assert.That(left, Is.GreaterThan(0), $"a signal within {seconds} s");
            await PassAsync(0.05);
            left -= 0.05;
        }

        await NoSignalAsync();
    }

    public async Task NoSignalAsync(double seconds = 5.2)
    {
        await PassAsync(seconds);
        Assert.That(Signal, Is.False, "a signal too many");
    }

    public async ValueTask DisposeAsync()
    {
        await Watcher.DisposeAsync().Within();
        _workspace.Dispose();
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Log.Enqueue($"{logLevel} {eventId.Id}: {formatter(state, exception)}");
}
