using System.IO.Pipelines;
using PluginServer.Networking;

namespace PluginServer.Tests.Support;

/// <summary>A connection of <see cref="FaultyTransport"/>: the real one, read in pieces, and reset as planned.</summary>
internal sealed class FaultyConnection : TransportConnection
{
    private readonly TransportConnection _real;

    public FaultyConnection(TransportConnection real, TimeProvider time, int readAtMost, TimeSpan readDelay, long resetAfter)
    {
        _real = real;
        Input = new PiecewiseReader(real.Input, time, readAtMost, readDelay, shown =>
        {
            if (resetAfter > 0 && shown >= resetAfter)
            {
                Reset();
            }
        });
    }

    public event Action? Finished;

    public override PipeReader Input { get; }

    public override PipeWriter Output => _real.Output;

    public override CancellationToken Closed => _real.Closed;

    public override (CloseCause Cause, string? Reason) End => _real.End;

    public override long BytesReceived => _real.BytesReceived;

    public override long BytesSent => _real.BytesSent;

    public override WireInfo Wire => _real.Wire;

    public override ConnectionLimits Limits { get => _real.Limits; set => _real.Limits = value; }

    public override BlockPool Blocks => _real.Blocks;

    public override IConnectionOwner? Owner => _real.Owner;

    public override void Start(IConnectionOwner owner) => _real.Start(owner);

    public override void Pass(IConnectionOwner next, ConnectionLimits limits) => _real.Pass(next, limits);

    public override bool Post(ReadOnlySpan<byte> bytes) => _real.Post(bytes);

    public override long Unsent => _real.Unsent;

    public override bool Deliver(ReadOnlyMemory<byte> message, int limit) => _real.Deliver(message, limit);

    public override void Drained() => _real.Drained();

    public void Reset() => _real.Abort(CloseCause.Reset, "the connection was reset, as the test has planned");

    public override void Abort(CloseCause cause, string reason) => _real.Abort(cause, reason);

    public override async Task FinishAsync()
    {
        await _real.FinishAsync();
        Finished?.Invoke();
    }
}
