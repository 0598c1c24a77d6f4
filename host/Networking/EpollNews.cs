using System.Threading.Tasks.Sources;

namespace PluginServer.Networking;

/// <summary>One wait for clients, and the next: told once per wait, and what waits goes on where it is told.</summary>
internal sealed class EpollNews(EpollListening listening) : IValueTaskSource
{
    private ManualResetValueTaskSourceCore<bool> _completion;

    public ValueTask ComesAsync() => new(this, _completion.Version);

    public void Tell() => _completion.SetResult(true);

    /// <summary>Nobody wants to know any more.</summary>
    public void Stop() => listening.Stop(this);

    // Reset at once: whoever has been told may wait again before this call returns.
    void IValueTaskSource.GetResult(short token)
    {
        _completion.GetResult(token);
        _completion.Reset();
    }

    ValueTaskSourceStatus IValueTaskSource.GetStatus(short token) => _completion.GetStatus(token);

    void IValueTaskSource.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _completion.OnCompleted(continuation, state, token, flags);
}
