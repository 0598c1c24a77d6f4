namespace PluginServer.Networking;

/// <summary>How long the connections of an endpoint may pass no byte, and how long they may live; null is for ever.</summary>
internal sealed record ReaperTimeouts(TimeSpan? Idle, TimeSpan? Lifetime)
{
    private static readonly TimeSpan ShortestTick = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestTick = TimeSpan.FromSeconds(1);

    /// <summary>How often to look: an eighth of the shortest; null where there is nothing to look for.</summary>
    public TimeSpan? Tick
    {
        get
        {
            if ((Idle ?? Lifetime) is not { } one)
            {
                return null;
            }

            var tick = (Lifetime < one ? Lifetime.Value : one) / 8;
            return tick < ShortestTick ? ShortestTick : tick > LongestTick ? LongestTick : tick;
        }
    }
}
