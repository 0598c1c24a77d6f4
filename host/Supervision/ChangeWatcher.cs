using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using PluginServer.Diagnostics;

namespace PluginServer.Supervision;

/// <summary>Tells when plugins.json, a plugin's folder or a certificate has changed and holds still again.</summary>
/// <remarks>What lies on disk decides, and it is looked at every two seconds whatever happens: a rename over a file, a replaced folder
/// and a flipped link raise no event of use. Events only make it look earlier.</remarks>
internal sealed class ChangeWatcher : IAsyncDisposable
{
    private static readonly TimeSpan Settle = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Gap = TimeSpan.FromMilliseconds(100);

    // A copy into one folder holds back what has changed elsewhere, as they may belong together; a folder that never holds still must not do so for ever.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly Channel<bool> _changes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Func<string, FileSystemWatcher> _create;
    private readonly Task _loop;
    private volatile WatchedPath[] _paths = [];
    private volatile DirectoryEvents[] _events = [];
    private volatile TaskCompletionSource _hint = NewHint();
    private bool _warned;

    /// <param name="time">Every wait goes by it.</param>
    /// <param name="log">Gets one line when there are no events.</param>
    /// <param name="create">Makes a watcher of a directory; a test without events throws here, as the runtime does when inotify has run out.</param>
    public ChangeWatcher(TimeProvider time, ILogger log, Func<string, FileSystemWatcher>? create = null)
    {
        _time = time;
        _log = log;
        _create = create ?? (directory => new FileSystemWatcher(directory));
        _loop = Task.Run(RunAsync);
    }

    /// <summary>Holds at most one signal: a reader that looks at everything needs no second one. Ends with the disposal.</summary>
    public ChannelReader<bool> Changes => _changes.Reader;

    /// <summary>Replaces what is watched. What was watched before keeps its state; what is new counts as signalled the way it is now,
    /// so whoever reads it should do so after this call, or a change in between is lost.</summary>
    /// <param name="configFile">plugins.json.</param>
    /// <param name="pluginDirectory">The drop folder.</param>
    /// <param name="plugins">Whose folders in it matter.</param>
    /// <param name="files">Further files, wherever they lie: certificates. They are looked at every two seconds and have no events, of which each
    /// directory would take one of the few that a user may have.</param>
    public void Watch(string configFile, string pluginDirectory, IReadOnlyCollection<string> plugins, IReadOnlyCollection<string>? files = null)
    {
        var file = Path.GetFullPath(configFile);
        var folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(pluginDirectory));
        var paths = plugins.Select(plugin => Path.Combine(folder, plugin)).Concat(files ?? []).Prepend(file).Distinct();
        lock (_gate)
        {
            if (_stop.IsCancellationRequested)
            {
                return;
            }

            // Events first: what changes while the new paths are looked at is then looked at again.
            var before = _events;
            _events = [Events(Path.GetDirectoryName(file)!, Path.GetFileName(file)), Events(folder, null)];
            Array.ForEach([.. before.Except(_events)], events => events.Dispose());
            Array.ForEach(_events, events => events.Refresh());
            _paths = [.. paths.Select(path => Array.Find(_paths, watched => watched.Path == path) ?? new WatchedPath(path, _time))];
        }
    }

    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            // From here on Watch listens to nothing new.
            _stop.Cancel();
        }

        await _loop;
        Array.ForEach(_events, events => events.Dispose());
        _changes.Writer.TryComplete();
    }

    private static TaskCompletionSource NewHint() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private DirectoryEvents Events(string directory, string? file) =>
        Array.Find(_events, events => events.IsFor(directory, file))
        ?? new DirectoryEvents(directory, file, _time, _create, () => _hint.TrySetResult(), Warn);

    private void Warn(string directory, string error)
    {
        if (!Interlocked.Exchange(ref _warned, true))
        {
            Log.NoFileEvents(_log, directory, error);
        }
    }

    private async Task RunAsync()
    {
        var wait = Poll;
        while (true)
        {
            // However many events come, it is looked no more often than this.
            await Task.Delay(Gap, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await _hint.Task.WaitAsync(wait - Gap, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (_stop.IsCancellationRequested)
            {
                return;
            }

            // Renewed before looking: what changes meanwhile asks for another look.
            _hint = NewHint();
            try
            {
                wait = Look();
            }
            catch (Exception)
            {
                // Watching must outlive whatever a file system comes up with; the next poll looks again.
                wait = Poll;
            }
        }
    }

    /// <returns>How long to wait for the next look if no event comes first.</returns>
    private TimeSpan Look()
    {
        Array.ForEach(_events, events => events.Refresh());
        var paths = _paths;
        Array.ForEach(paths, path => path.Look());
        var changed = paths.Where(path => path.HasChanged).ToLookup(path => path.Still >= Settle);
        var (still, moving) = (changed[true].ToList(), changed[false].ToList());
        if (still.Count > 0 && (moving.Count == 0 || still.Exists(path => path.Still >= Patience)))
        {
            still.ForEach(path => path.MarkSignalled());
            _changes.Writer.TryWrite(true);
        }

        // Looking again when the settle time ends, not at the next poll, keeps a signal within poll and settle time together.
        var next = moving.Select(path => Settle - path.Age).Append(Poll).Min();
        return next < Gap ? Gap : next;
    }
}
