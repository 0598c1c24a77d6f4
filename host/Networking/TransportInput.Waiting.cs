using System.IO.Pipelines;
using System.Threading.Tasks.Sources;

namespace PluginServer.Networking;

/// <content>A read that waits: what it is resumed by, and what ends it.</content>
internal sealed partial class TransportInput : IValueTaskSource<ReadResult>
{
    private ManualResetValueTaskSourceCore<bool> _completion;
    private CancellationToken _token;
    private CancellationTokenRegistration _registration;
    private ReadState _read;
    private bool _tokenFired;

    private enum ReadState : byte
    {
        Idle,
        Parked,

        /// <summary>Ended, and its result not yet taken: the core must not be used again before.</summary>
        Claimed,
    }

    /// <summary>The owner's token is cancelled: a read that waits with it has no registration of its own.</summary>
    public void Drained()
    {
        if (connection.Owner is { } owner)
        {
            OnToken(owner.Draining);
        }
    }

    /// <summary>Lets the handler go on with a read that has ended.</summary>
    public void Resume() => _completion.SetResult(true);

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token)
    {
        lock (_bytes)
        {
            // Reset at once: the core would otherwise refer to the handler's continuation until the next read parks.
            _completion.GetResult(token);
            _completion.Reset();
            var (fired, by) = (_tokenFired, _token);
            _tokenFired = false;
            _token = default;
            _read = ReadState.Idle;
            if (fired)
            {
                throw new OperationCanceledException(by);
            }

            // Any other end has set what the next read would be told.
            return Refusal() is { } refusal ? throw refusal : TryTake(out var result) ? result : throw new InvalidOperationException("The read ended without a result.");
        }
    }

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _completion.GetStatus(token);

    void IValueTaskSource<ReadResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _completion.OnCompleted(continuation, state, token, flags);

    private ValueTask<ReadResult> Park(CancellationToken cancellationToken)
    {
        _completion.Reset();
        if (cancellationToken.CanBeCanceled && connection.Owner?.Draining != cancellationToken)
        {
            _registration = cancellationToken.UnsafeRegister(static (input, token) => ((TransportInput)input!).OnToken(token), this);
        }

        // Whoever cancels and tells it on another thread waits for the lock, and finds the read parked; if on this one, it came too early.
        if (cancellationToken.IsCancellationRequested)
        {
            _registration.Unregister();
            return ValueTask.FromCanceled<ReadResult>(cancellationToken);
        }

        _bytes.Shrink();
        _token = cancellationToken;
        _read = ReadState.Parked;
        return new ValueTask<ReadResult>(this, _completion.Version);
    }

    private void OnToken(CancellationToken token)
    {
        lock (_bytes)
        {
            // A callback that comes late may find another read; that one is meant too when it has the same token.
            if (_read == ReadState.Parked && _token == token)
            {
                _tokenFired = true;
                EndParked();
            }
        }
    }

    private void Claim(bool inline)
    {
        _read = ReadState.Claimed;

        // Not Dispose, which waits for a callback under way, and that may wait for the lock.
        _registration.Unregister();
        _registration = default;
        _completion.RunContinuationsAsynchronously = !inline;
    }

    private void EndParked()
    {
        if (_read == ReadState.Parked)
        {
            Claim(inline: false);
            _completion.SetResult(true);
        }
    }
}
