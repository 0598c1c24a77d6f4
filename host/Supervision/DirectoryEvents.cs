using PluginServer.Networking;
namespace PluginServer.Supervision;

/// <summary>The events of one directory, listened to anew when the directory is replaced or the listening fails.</summary>
/// <param name="directory">The directory; it may be missing.</param>
/// <param name="file">The one file that matters in it; null for everything in it and below.</param>
/// <param name="time">Paces the tries.</param>
/// <param name="create">Makes a watcher of a directory; may throw.</param>
/// <param name="hint">Called at every event.</param>
/// <param name="failed">Called with the directory and the reason as long as there are no events, or were too many.</param>
internal sealed class DirectoryEvents(
    string directory, string? file, TimeProvider time, Func<string, FileSystemWatcher> create, Action hint, Action<string, string> failed) : IDisposable
{
    // What ran out (inotify's limits are for all processes of a user) may be there again, but a try walks the whole tree.
    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(10);

    // Kubernetes mounts link every file through ..data, and flip only that link.
    private const string KubernetesLink = "..data";
    private readonly Lock _gate = new();
    private FileSystemWatcher? _watcher;
    private string? _identity;
    private long _tried;
    private volatile Exception? _error;
    private bool _disposed;

    public bool IsFor(string otherDirectory, string? otherFile) => directory == otherDirectory && file == otherFile;

    /// <summary>To be called now and then: a watcher holds on to the directory that once had the path, wherever that is now.</summary>
    public void Refresh()
    {
        lock (_gate)
        {
            var identity = Identity();
            if (_disposed || (identity == _identity && !IsRetryDue()))
            {
                return;
            }

            _watcher?.Dispose();
            _watcher = null;
            _error = null;
            _identity = identity;
            _tried = time.GetTimestamp();
            if (identity is not null)
            {
                Listen();
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            _watcher?.Dispose();
        }
    }

    private bool IsRetryDue()
    {
        if (_error is not { } error)
        {
            return false;
        }

        failed(directory, error.Message);
        return time.GetElapsedTime(_tried) >= RetryAfter;
    }

    private void Listen()
    {
        try
        {
            _watcher = create(directory);
            _watcher.IncludeSubdirectories = file is null;
            if (file is not null)
            {
                // Whatever else is written beside it, a log for one, is no reason to look.
                _watcher.Filters.Add(file);
                _watcher.Filters.Add(KubernetesLink);
            }

            _watcher.Changed += (_, _) => hint();
            _watcher.Created += (_, _) => hint();
            _watcher.Deleted += (_, _) => hint();
            _watcher.Renamed += (_, _) => hint();

            // No hint here: with inotify out of watches every new try ends in this event.
            _watcher.Error += (_, fault) => _error = fault.GetException();
            _watcher.EnableRaisingEvents = true;
        }
        catch (Exception error)
        {
            // Whatever it was, polling goes on without.
            _watcher?.Dispose();
            _watcher = null;
            _error = error;
        }
    }

    private string? Identity()
    {
        try
        {
            return Directory.Exists(directory) ? $"{new DirectoryInfo(directory).LinkTarget} {FileIdentity.Of(directory)}" : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
