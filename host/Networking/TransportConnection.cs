using System.IO.Pipelines;

namespace PluginServer.Networking;

/// <summary>Why a connection ended. The first cause counts.</summary>
internal enum CloseCause
{
    /// <summary>Not ended, or ended in order: the handler returned.</summary>
    None,

    /// <summary>The peer reset it, or the network lost it.</summary>
    Reset,

    /// <summary>The handler called Abort.</summary>
    Aborted,

    /// <summary>The host ended it: a deadline of a drain or stop, or an operator.</summary>
    Cut,

    /// <summary>More was received and examined, but not consumed, than the endpoint allows.</summary>
    ReadLimit,

    /// <summary>The handler failed.</summary>
    Fault,

    /// <summary>It passed no byte for idleTimeout, lived for maxLifetime, took too long for a message, or was not ready within handshakeTimeout.</summary>
    TimedOut,
}

/// <summary>One socket as a pair of pipes, with the rules of <see cref="Connection"/>.</summary>
internal abstract class TransportConnection
{
    public abstract PipeReader Input { get; }

    public abstract PipeWriter Output { get; }

    /// <summary>Cancelled by <see cref="Abort"/>, a reset, and the end of <see cref="FinishAsync"/>; callbacks run on the thread pool.</summary>
    public abstract CancellationToken Closed { get; }

    /// <summary>What was agreed on with the peer where the connection is encrypted; null where it is not.</summary>
    public virtual ConnectionTls? Tls => null;

    /// <summary>What its input obeys, from the next read on.</summary>
    public abstract ConnectionLimits Limits { get; set; }

    /// <summary>Where its memory comes from.</summary>
    public abstract BlockPool Blocks { get; }

    /// <summary>Whose handler runs on it; null before <see cref="Start"/>.</summary>
    public abstract IConnectionOwner? Owner { get; }

    /// <summary>Why it ended, and in words; <see cref="CloseCause.None"/> and null while it is open and after an orderly end.</summary>
    public abstract (CloseCause Cause, string? Reason) End { get; }

    /// <summary>Cheap and from any thread, while it lives and after.</summary>
    public abstract long BytesReceived { get; }

    /// <summary>Cheap and from any thread, while it lives and after.</summary>
    public abstract long BytesSent { get; }

    /// <summary>What the kernel says of it: bytes move on there after the host has sent its last, and before it receives. Costs a system call.</summary>
    public abstract WireInfo Wire { get; }

    /// <summary>Called once: has the owner run its handler where events are handled, apart from the caller.</summary>
    public abstract void Start(IConnectionOwner owner);

    /// <summary>Gives a started connection to another owner, whose handler runs from now on, and has it run: on the calling thread, or
    /// where the new owner's handlers run.</summary>
    public abstract void Pass(IConnectionOwner next, ConnectionLimits limits);

    /// <summary>Sends bytes of a layer that lies between the handler and the transport, and queues what the kernel does not take. It
    /// never waits, and may come while a flush does; after FIN the bytes are dropped.</summary>
    /// <returns>False when a flush would wait now.</returns>
    /// <exception cref="ConnectionClosedException">The connection has ended.</exception>
    public abstract bool Post(ReadOnlySpan<byte> bytes);

    /// <summary>How many bytes are flushed and not sent.</summary>
    public abstract long Unsent { get; }

    /// <summary>Sends a message of somebody else's as a whole, and not in the middle of what the handler has begun to write: now, or after its
    /// next flush. It never waits; once the output has ended the message is dropped.</summary>
    /// <param name="message">It must not change any more.</param>
    /// <param name="limit">How many bytes may wait, this message among them.</param>
    /// <returns>False when more would; the message is dropped then.</returns>
    public abstract bool Deliver(ReadOnlyMemory<byte> message, int limit);

    /// <summary>The owner's <see cref="IConnectionOwner.Draining"/> is cancelled: ends a read that waits with it.</summary>
    public abstract void Drained();

    /// <summary>Ends it at once by a reset. Any thread, any number of times; the first cause counts. Pending and later
    /// operations of both pipes throw <see cref="ConnectionClosedException"/> with the reason.</summary>
    public abstract void Abort(CloseCause cause, string reason);

    /// <summary>Called once, after the handler: flushes what was written, sends FIN, reads and discards for at most
    /// <see cref="LingerTime"/> or <see cref="LingerBytes"/>, closes the socket and cancels <see cref="Closed"/>. After an
    /// abort it only waits until the socket is closed and nothing of the handler's is referenced any more. Never throws.</summary>
    public abstract Task FinishAsync();

    /// <summary>How long FinishAsync goes on reading, so that a reply just sent is not lost to a reset.</summary>
    public static readonly TimeSpan LingerTime = TimeSpan.FromSeconds(1);

    /// <summary>How much FinishAsync reads at most.</summary>
    public const int LingerBytes = 64 * 1024;

    /// <summary>A flush completes when less than this many bytes wait to be sent.</summary>
    public const int FlushThreshold = 64 * 1024;
}
