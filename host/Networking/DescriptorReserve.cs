namespace PluginServer.Networking;

/// <summary>Keeps the last descriptors of the process from clients: the runtime needs two for a moment whenever it starts a
/// thread, and ends the process when it cannot have them.</summary>
/// <remarks>The host's own use grows, too, and nothing gives it back: an assembly takes two descriptors for good, and those of the
/// administration, a dozen, come with its first call.
/// The kernel gives the lowest number that is free, so a new descriptor's number says how many are open at least; see
/// open(2). Nothing is counted and nothing held open for it.</remarks>
internal sealed class DescriptorReserve(int? openFiles)
{
    private const int Most = 64;
    private const string Anything = "/dev/null";
    private readonly int _first = openFiles is { } limit ? limit - Math.Min(Most, limit / 8) : int.MaxValue;
    private readonly int _last = openFiles is { } limit ? limit - (Math.Min(Most, limit / 8) / 4) : int.MaxValue;
    private volatile bool _isTouched;
    private TaskCompletionSource? _waiting;

    /// <summary>For this process.</summary>
    public static DescriptorReserve OfProcess() => new(HostLimit.OpenFiles());

    /// <summary>Completes when the next connection ends, and gives its descriptor back.</summary>
    public Task NextRelease
    {
        get
        {
            var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return (Interlocked.CompareExchange(ref _waiting, mine, null) ?? mine).Task;
        }
    }

    /// <summary>Whether a client may have another descriptor. Looks only after one of the reserve was used.</summary>
    public bool HasRoom() => !_isTouched || Probe();

    /// <summary>Whether there was none, and is by now.</summary>
    public bool HasRoomAgain() => _isTouched && Probe();

    /// <summary>To be asked of each accepted descriptor. False when it must be closed: acceptors that were waiting when the reserve
    /// was touched bring one more client each, and many of them must not use it up.</summary>
    public bool Allows(int accepted)
    {
        if (accepted >= _first)
        {
            _isTouched = true;
        }

        return accepted < _last;
    }

    /// <summary>A connection has ended and its socket is closed.</summary>
    public void Release()
    {
        if (Volatile.Read(ref _waiting) is not null)
        {
            Interlocked.Exchange(ref _waiting, null)?.TrySetResult();
        }
    }

    private bool Probe()
    {
        try
        {
            using var next = File.OpenHandle(Anything);
            _isTouched = next.DangerousGetHandle() >= _first;
            return !_isTouched;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
