namespace PluginServer.Networking;

/// <summary>How one connection went: plain data, booked by the side that accepted it.</summary>
/// <param name="Cause">Why it ended; <see cref="CloseCause.None"/> is in order.</param>
/// <param name="Text">The cause in words, or null.</param>
/// <param name="BytesReceived">From the peer, what was discarded at the end included.</param>
/// <param name="BytesSent">To the peer.</param>
/// <param name="Duration">From accept to the closed socket.</param>
internal sealed record ConnectionOutcome(CloseCause Cause, string? Text, long BytesReceived, long BytesSent, TimeSpan Duration);
