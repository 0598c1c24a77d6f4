using PluginServer.Diagnostics;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>The connections of one endpoint that one generation serves, or has served: accepted = active + ended, always.</summary>
/// <remarks>Counted while a connection has its lease of the generation, so that what has been unloaded counts no more.</remarks>
internal sealed class GenerationCounters(PluginGeneration generation)
{
    private readonly Durations[] _ended = [.. Enumerable.Range(0, CloseCauses.Count).Select(static _ => new Durations(Instruments.ConnectionBuckets))];
    private long _accepted;
    private long _received;
    private long _sent;

    public PluginGeneration Generation => generation;

    public string Plugin => generation.Build.Name;

    /// <summary>Connections that came here from another generation, less those that went to one. <see cref="EndpointCounters"/> has the lock.</summary>
    public long Moved { get; set; }

    public long Accepted => Interlocked.Read(ref _accepted);

    /// <summary>Bytes of the connections that have ended.</summary>
    public long Received => Interlocked.Read(ref _received);

    /// <summary>Bytes of the connections that have ended.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>How long those lived that have ended, by <see cref="CloseCause"/>.</summary>
    public IReadOnlyList<Durations> Ended => _ended;

    public void CountAccepted() => Interlocked.Increment(ref _accepted);

    public void Count(ConnectionOutcome outcome)
    {
        Interlocked.Add(ref _received, outcome.BytesReceived);
        Interlocked.Add(ref _sent, outcome.BytesSent);
        _ended[(int)outcome.Cause].Add(outcome.Duration);
    }

    /// <summary>Takes over what another one has counted, and counts no more.</summary>
    public void Add(GenerationCounters other)
    {
        // The ended first: they are never more than the accepted.
        for (var cause = 0; cause < _ended.Length; cause++)
        {
            _ended[cause].Add(other._ended[cause]);
        }

        Interlocked.Add(ref _accepted, other.Accepted);
        Moved += other.Moved;
        Interlocked.Add(ref _received, other.Received);
        Interlocked.Add(ref _sent, other.Sent);
    }
}
