using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace PluginServer.Networking;

/// <content>A flush that waits: what it is resumed by, and what ends it.</content>
internal sealed partial class TransportOutput
{
    private Waiting? _waiting;

    private enum FlushEnd : byte
    {
        Done,
        Cancelled,
        TokenFired,
        Closed,
    }

    /// <summary>The rest of the source of a WriteAsync that waits: not copied, its caller is waiting.</summary>
    private ReadOnlyMemory<byte> RestOfSource => _waiting is { } waiting ? waiting.Rest : default;

    /// <summary>A flush waits, or the result of one is not yet taken.</summary>
    private bool IsWaiting => _waiting is { Parked: true } or { Claimed: true };

    /// <summary>Lets the handler go on with a flush that has ended.</summary>
    public void Resume() => _waiting!.Completion.SetResult(true);

    private Waiting Wait() => _waiting ??= new Waiting(this);

    private ValueTask<FlushResult> Park(CancellationToken cancellationToken)
    {
        var waiting = Wait();
        waiting.Completion.Reset();
        if (cancellationToken.CanBeCanceled)
        {
            waiting.Registration = cancellationToken.UnsafeRegister(static (output, token) => ((TransportOutput)output!).OnToken(token), this);

            // A callback of another thread waits for the lock and finds the flush parked; one of this thread came too early.
            if (cancellationToken.IsCancellationRequested)
            {
                waiting.Registration.Unregister();
                CopyRest();
                return ValueTask.FromCanceled<FlushResult>(cancellationToken);
            }
        }

        waiting.Token = cancellationToken;
        waiting.Parked = true;
        if (Fits)
        {
            // Only its turn is over: the handler goes on elsewhere, and whoever else waits for this thread comes first.
            ThreadPool.UnsafeQueueUserWorkItem(static output => output.EndTurn(), this, preferLocal: false);
        }

        return new ValueTask<FlushResult>(waiting, waiting.Completion.Version);
    }

    private void OnToken(CancellationToken token)
    {
        lock (connection)
        {
            // A callback that comes late may find another flush; that one is meant too when it has the same token.
            if (_waiting?.Token == token)
            {
                TryEndParked(FlushEnd.TokenFired);
            }
        }
    }

    private void EndTurn()
    {
        lock (connection)
        {
            if (Fits)
            {
                TryEndParked(FlushEnd.Done);
            }
        }
    }

    private bool TryClaim(FlushEnd end, bool inline)
    {
        if (_waiting is not { Parked: true } waiting)
        {
            return false;
        }

        if (end == FlushEnd.Closed)
        {
            DropRest();
        }
        else
        {
            CopyRest();
        }

        waiting.Parked = false;
        waiting.Claimed = true;
        waiting.End = end;

        // Not Dispose, which waits for a callback under way, and that may wait for the lock.
        waiting.Registration.Unregister();
        waiting.Registration = default;
        waiting.Completion.RunContinuationsAsynchronously = !inline;
        return true;
    }

    // Under the lock, so the continuation has to run elsewhere.
    private bool TryEndParked(FlushEnd end)
    {
        if (!TryClaim(end, inline: false))
        {
            return false;
        }

        Resume();
        return true;
    }

    private FlushResult Take(Waiting waiting, short token)
    {
        lock (connection)
        {
            // Reset at once: the core would otherwise refer to the handler's continuation until the next flush parks.
            waiting.Completion.GetResult(token);
            waiting.Completion.Reset();
            var by = waiting.Token;
            waiting.Token = default;
            waiting.Claimed = false;
            return waiting.End switch
            {
                FlushEnd.TokenFired => throw new OperationCanceledException(by),
                FlushEnd.Closed => throw (connection.Ending ?? Ending.Orderly).ToException(),
                var end => new FlushResult(isCanceled: end == FlushEnd.Cancelled, isCompleted: false),
            };
        }
    }

    /// <summary>Made with the first flush that waits, and used by all after it.</summary>
    private sealed class Waiting(TransportOutput output) : IValueTaskSource<FlushResult>
    {
        /// <summary>Not a property: its methods change it.</summary>
        public ManualResetValueTaskSourceCore<bool> Completion;

        public ReadOnlyMemory<byte> Rest { get; set; }

        public bool Parked { get; set; }

        /// <summary>A flush has ended, and its result is not yet taken: the core must not be used again before.</summary>
        public bool Claimed { get; set; }

        public FlushEnd End { get; set; }

        public CancellationToken Token { get; set; }

        public CancellationTokenRegistration Registration { get; set; }

        public FlushResult GetResult(short token) => output.Take(this, token);

        public ValueTaskSourceStatus GetStatus(short token) => Completion.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            Completion.OnCompleted(continuation, state, token, flags);
    }
}
