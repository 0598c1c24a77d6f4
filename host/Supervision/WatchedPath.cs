namespace PluginServer.Supervision;

/// <summary>One file or folder: how it was when last signalled, how it is now, and since when.</summary>
internal sealed class WatchedPath
{
    private readonly TimeProvider _time;
    private string _signalled;
    private string _seen;
    private long _since;

    /// <summary>Takes what is there now as signalled.</summary>
    public WatchedPath(string path, TimeProvider time)
    {
        Path = path;
        _time = time;
        _signalled = _seen = FileFingerprint.Of(path);
        _since = time.GetTimestamp();
    }

    public string Path { get; }

    public bool HasChanged => _seen != _signalled;

    /// <summary>How long it has been as it is.</summary>
    public TimeSpan Still => _time.GetElapsedTime(_since);

    public void Look()
    {
        var now = FileFingerprint.Of(Path);
        if (now != _seen)
        {
            _seen = now;
            _since = _time.GetTimestamp();
        }
    }

    public void MarkSignalled() => _signalled = _seen;
}
