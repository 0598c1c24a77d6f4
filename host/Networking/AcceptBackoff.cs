namespace PluginServer.Networking;

/// <summary>How long one acceptor waits after its errors, so that no storm of them occupies a processor.</summary>
internal sealed class AcceptBackoff
{
    public static readonly TimeSpan First = TimeSpan.FromMilliseconds(5);
    public static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);

    /// <summary>The longest pause in a storm of errors that ask for none: whoever comes after it is served within 100 ms.</summary>
    public static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(50);

    /// <summary>So many connections may be lost one after the other before that is a storm.</summary>
    public const int FreeErrors = 100;

    private int _lost;
    private TimeSpan _next = First;

    /// <summary>A connection was accepted.</summary>
    public void Reset() => (_lost, _next) = (0, First);

    /// <summary>There is reason to believe that it is over; what was lost is not forgotten.</summary>
    public void Restart() => _next = First;

    /// <summary>The wait that this error asks for; none for a lost connection, unless they storm.</summary>
    public TimeSpan After(AcceptFault fault)
    {
        if (fault == AcceptFault.Continue && ++_lost % FreeErrors != 0)
        {
            return TimeSpan.Zero;
        }

        var longest = fault == AcceptFault.Continue ? LongestPause : Longest;
        var delay = _next < longest ? _next : longest;
        _next = delay * 2;
        return delay;
    }
}
