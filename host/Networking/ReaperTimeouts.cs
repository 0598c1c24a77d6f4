using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>How long the connections of an endpoint may take.</summary>
/// <param name="Idle">To pass no byte; null is for ever.</param>
/// <param name="Lifetime">To live; null is for ever.</param>
/// <param name="Message">For one message; null is for ever.</param>
/// <param name="MinimumRate">How many bytes a second must arrive within a message; 0 is no limit.</param>
internal sealed record ReaperTimeouts(TimeSpan? Idle, TimeSpan? Lifetime, TimeSpan? Message = null, int MinimumRate = 0)
{
    private static readonly TimeSpan ShortestTick = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestTick = TimeSpan.FromSeconds(1);

    public static ReaperTimeouts Of(EndpointConfig config) => new(config.IdleTimeout, config.MaxLifetime, config.MessageTimeout, config.MinimumRate);

    /// <summary>Whether messages have to be looked at.</summary>
    public bool LimitsMessages => Message is not null || MinimumRate > 0;

    /// <summary>How often to look: an eighth of the shortest; null where there is nothing to look for.</summary>
    public TimeSpan? Tick
    {
        get
        {
            TimeSpan? rate = MinimumRate > 0 ? MessagePulse.Grace : null;
            var shortest = new[] { Idle, Lifetime, Message, rate }.Min();
            if (shortest is null)
            {
                return null;
            }

            var tick = shortest.Value / 8;
            return tick < ShortestTick ? ShortestTick : tick > LongestTick ? LongestTick : tick;
        }
    }
}
