namespace PluginServer.Networking;

/// <summary>What the reaper knows of the message that a connection is within: since when, and how fast it comes.</summary>
/// <remarks>A message counts from the first look that finds it begun, so an end comes never too early, and a tick or two too late.</remarks>
internal sealed class MessagePulse
{
    /// <summary>A rate says nothing about less time than this.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    private const long None = -1;
    private long _message = None;
    private long _received;
    private long _seen;
    private TimeSpan _since;

    /// <summary>Looks at the loop; why the connection is to be closed, or null.</summary>
    public string? Overdue(IMessageLoop loop, long received, ReaperTimeouts timeouts, TimeSpan now)
    {
        // The bytes that it begins with have come since the look before.
        var before = _seen;
        _seen = received;
        if (!loop.IsWithin)
        {
            _message = None;
            return null;
        }

        if (loop.Messages is var message && message != _message)
        {
            (_message, _received, _since) = (message, before, now);
            return null;
        }

        var took = now - _since;
        return took >= timeouts.Message ? $"one message took longer than messageTimeout {timeouts.Message}"
            : timeouts.MinimumRate > 0 && took >= Grace && received - _received < timeouts.MinimumRate * took.TotalSeconds ? $"a message came at less than minimumRate {timeouts.MinimumRate} B/s"
            : null;
    }

    /// <summary>The limits have changed: they count from now on.</summary>
    public void Restart() => _message = None;
}
