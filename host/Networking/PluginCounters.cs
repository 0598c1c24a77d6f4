using PluginServer.Diagnostics;

namespace PluginServer.Networking;

/// <summary>What has happened on one endpoint while it was bound to one plugin, apart from its connections.</summary>
internal sealed class PluginCounters(string plugin)
{
    private readonly long[] _rejected = new long[Enum.GetValues<RejectReason>().Length];
    private readonly Lock _gate = new();
    private long _acceptorRestarts;
    private long _received;
    private long _sent;

    public string Plugin => plugin;

    /// <summary>By the kind of error.</summary>
    public KindCounter AcceptErrors { get; } = new();

    public long AcceptorRestarts => Interlocked.Read(ref _acceptorRestarts);

    /// <summary>Exceptions of the plugin, by type: a connection may have none, or several.</summary>
    public KindCounter HandlerFaults { get; } = new();

    /// <summary>How many were rejected for each <see cref="RejectReason"/>.</summary>
    public long[] RejectedByReason => [.. _rejected];

    public void CountAcceptorRestart() => Interlocked.Increment(ref _acceptorRestarts);

    public void CountRejected(RejectReason reason) => Interlocked.Increment(ref _rejected[(int)reason]);

    /// <summary>What to say that was received and sent: a connection that ends while it is looked for may be missed, but what was
    /// said before never becomes less.</summary>
    public (long Received, long Sent) Show(long received, long sent)
    {
        lock (_gate)
        {
            return (_received = Math.Max(_received, received), _sent = Math.Max(_sent, sent));
        }
    }
}
