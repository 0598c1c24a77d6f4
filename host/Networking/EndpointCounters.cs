namespace PluginServer.Networking;

/// <summary>What has happened on one endpoint since it exists: accepted = active + ended, always.</summary>
internal sealed class EndpointCounters
{
    private long _accepted;
    private long _acceptErrors;
    private long _acceptorRestarts;
    private long _cut;
    private long _ended;
    private long _handlerFaults;
    private long _received;
    private long _rejected;
    private long _sent;

    public long Accepted => Interlocked.Read(ref _accepted);

    public long AcceptErrors => Interlocked.Read(ref _acceptErrors);

    public long AcceptorRestarts => Interlocked.Read(ref _acceptorRestarts);

    public long Cut => Interlocked.Read(ref _cut);

    public long Ended => Interlocked.Read(ref _ended);

    public long HandlerFaults => Interlocked.Read(ref _handlerFaults);

    /// <summary>Bytes of the connections that have ended.</summary>
    public long Received => Interlocked.Read(ref _received);

    /// <summary>Accepted and closed at once, at a limit; none of them counts as accepted.</summary>
    public long Rejected => Interlocked.Read(ref _rejected);

    /// <summary>Bytes of the connections that have ended.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    public void CountAccepted() => Interlocked.Increment(ref _accepted);

    public void CountAcceptError() => Interlocked.Increment(ref _acceptErrors);

    public void CountAcceptorRestart() => Interlocked.Increment(ref _acceptorRestarts);

    public void CountRejected() => Interlocked.Increment(ref _rejected);

    public void CountHandlerFault() => Interlocked.Increment(ref _handlerFaults);

    public void Count(ConnectionOutcome outcome)
    {
        Interlocked.Add(ref _received, outcome.BytesReceived);
        Interlocked.Add(ref _sent, outcome.BytesSent);
        if (outcome.Cause == CloseCause.Cut)
        {
            Interlocked.Increment(ref _cut);
        }

        Interlocked.Increment(ref _ended);
    }
}
