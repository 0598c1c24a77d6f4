namespace PluginServer.Supervision;

/// <summary>Has the memory collected that a crowd of clients has left behind in coming, once no more come.</summary>
/// <remarks>Left alone, the runtime collects when a budget of many megabytes is used up: a host that holds thousands of idle connections allocates
/// nothing any more, so it would carry what their coming has cost for as long as they stay. One blocking collection of the young generations takes
/// milliseconds, and comes once for each crowd, after a second in which nobody came.</remarks>
internal sealed class QuietCollection : IDisposable
{
    private const int Crowd = 256;
    private const int YoungGenerations = 1;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private readonly Func<long> _accepted;
    private readonly Action _collect;
    private readonly Func<int> _collections;
    private readonly ITimer _timer;
    private long _collectedAt;
    private long _lastSeen;
    private int _lastCollection;

    /// <param name="accepted">How many clients have come so far; from any thread.</param>
    /// <param name="time">Its timer is of this.</param>
    /// <param name="collect">What collects; a test counts.</param>
    /// <param name="collections">How often memory was collected so far, by whomever.</param>
    public QuietCollection(Func<long> accepted, TimeProvider time, Action? collect = null, Func<int>? collections = null)
    {
        _accepted = accepted;
        _collect = collect ?? (static () => GC.Collect(YoungGenerations, GCCollectionMode.Forced, blocking: true));
        _collections = collections ?? (static () => GC.CollectionCount(YoungGenerations));
        _timer = time.CreateTimer(static state => ((QuietCollection)state!).Look(), this, Interval, Timeout.InfiniteTimeSpan);
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        var (accepted, collections) = (_accepted(), _collections());
        var isQuiet = accepted == _lastSeen;
        _lastSeen = accepted;
        if (collections != _lastCollection)
        {
            // The runtime's own came first.
            (_lastCollection, _collectedAt) = (collections, accepted);
        }
        else if (isQuiet && accepted - _collectedAt >= Crowd)
        {
            _collect();
            (_lastCollection, _collectedAt) = (_collections(), accepted);
        }

        _timer.Change(Interval, Timeout.InfiniteTimeSpan);
    }
}
