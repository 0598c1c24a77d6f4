namespace PluginServer.Networking;

/// <summary>What has happened on one endpoint since it exists: accepted = active + ended, always.</summary>
internal sealed class EndpointCounters
{
    private readonly long[] _ended = new long[Enum.GetValues<CloseCause>().Length];
    private readonly long[] _rejected = new long[Enum.GetValues<RejectReason>().Length];
    private long _accepted;
    private long _acceptErrors;
    private long _acceptorRestarts;
    private long _handlerFaults;
    private long _received;
    private long _sent;

    public long Accepted => Interlocked.Read(ref _accepted);

    public long AcceptErrors => Interlocked.Read(ref _acceptErrors);

    public long AcceptorRestarts => Interlocked.Read(ref _acceptorRestarts);

    public long Cut => EndedByCause[(int)CloseCause.Cut];

    public long Ended => EndedByCause.Sum();

    /// <summary>How many ended of each <see cref="CloseCause"/>. Each is counted once, so that a picture of all is never at odds with itself.</summary>
    public long[] EndedByCause => [.. _ended];

    /// <summary>Exceptions of the plugin: a connection may have none, or several.</summary>
    public long HandlerFaults => Interlocked.Read(ref _handlerFaults);

    /// <summary>Bytes of the connections that have ended.</summary>
    public long Received => Interlocked.Read(ref _received);

    /// <summary>Closed before they got to a handler; none of them counts as accepted.</summary>
    public long Rejected => RejectedByReason.Sum();

    /// <summary>How many were rejected for each <see cref="RejectReason"/>.</summary>
    public long[] RejectedByReason => [.. _rejected];

    /// <summary>Bytes of the connections that have ended.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    public void CountAccepted() => Interlocked.Increment(ref _accepted);

    public void CountAcceptError() => Interlocked.Increment(ref _acceptErrors);

    public void CountAcceptorRestart() => Interlocked.Increment(ref _acceptorRestarts);

    public void CountRejected(RejectReason reason) => Interlocked.Increment(ref _rejected[(int)reason]);

    public void CountHandlerFault() => Interlocked.Increment(ref _handlerFaults);

    public void Count(ConnectionOutcome outcome)
    {
        Interlocked.Add(ref _received, outcome.BytesReceived);
        Interlocked.Add(ref _sent, outcome.BytesSent);
        Interlocked.Increment(ref _ended[(int)outcome.Cause]);
    }
}
