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

    /// <summary>How long it had been as it is when it was last looked at.</summary>
    public TimeSpan Still { get; private set; }

    /// <summary>How long that is by now, though nobody has looked since.</summary>
    public TimeSpan Age => _time.GetElapsedTime(_since);

    public void Look()
    {
        // Taken before looking, and the time of a change after it: a look that takes long must not pass for time in which nothing changed.
        var start = _time.GetTimestamp();
        var now = FileFingerprint.Of(Path);
        if (now == _seen)
        {
            Still = _time.GetElapsedTime(_since, start);
            return;
        }

        _seen = now;
        _since = _time.GetTimestamp();
        Still = TimeSpan.Zero;
    }

    public void MarkSignalled() => _signalled = _seen;
}
