using System.Buffers;
using System.IO.Pipelines;

namespace PluginServer.Tests.Support;

/// <summary>Shows at most so many new bytes with each read, as a slow network would; what was examined and not consumed is shown
/// again, with more.</summary>
internal sealed class PiecewiseReader(PipeReader real, TimeProvider time, int atMost, TimeSpan delay, Action<long> shown) : PipeReader
{
    private ReadOnlySequence<byte> _buffer;
    private long _examined;
    private long _consumed;

    public override async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (delay > TimeSpan.Zero)
        {
            await Task.Delay(delay, time, cancellationToken);
        }

        return Show(await real.ReadAsync(cancellationToken));
    }

    public override bool TryRead(out ReadResult result)
    {
        if (!real.TryRead(out var whole))
        {
            result = default;
            return false;
        }

        result = Show(whole);
        return true;
    }

    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        // Positions are the real reader's own. It goes on at once where less was examined than it has, so nothing waits for the
        // peer while there are bytes that were not shown yet.
        _consumed += _buffer.Slice(0, consumed).Length;
        _examined = Math.Max(_buffer.Slice(0, examined).Length - _buffer.Slice(0, consumed).Length, 0);
        _buffer = default;
        real.AdvanceTo(consumed, examined);
    }

    public override void CancelPendingRead() => real.CancelPendingRead();

    public override void Complete(Exception? exception = null) => real.Complete(exception);

    private ReadResult Show(ReadResult whole)
    {
        _buffer = atMost == 0 ? whole.Buffer : whole.Buffer.Slice(0, Math.Min(whole.Buffer.Length, _examined + atMost));
        shown(_consumed + _buffer.Length);
        return new ReadResult(_buffer, whole.IsCanceled, whole.IsCompleted && _buffer.Length == whole.Buffer.Length);
    }
}
