using System.IO.Pipelines;
using System.Net;

namespace PluginServer;

/// <summary>One connection as a handler sees it. The host makes it, owns it and closes it.</summary>
/// <remarks>
/// <see cref="Input"/> and <see cref="Output"/> are each for one caller at a time; one reader and one writer may run
/// concurrently. Every other member may be used from any thread. An abstract class rather than an interface, so that
/// members can be added in a minor version.
/// </remarks>
public abstract class Connection
{
    private State? _state;

    /// <summary>Unique among the connections of a host process; never reused. Greater than zero.</summary>
    public abstract long Id { get; }

    /// <summary>The name of the endpoint in plugins.json that accepted this connection.</summary>
    public abstract string Endpoint { get; }

    /// <summary>The address and port that the peer connected to; an IPv4 peer of a dual-stack socket shows as IPv4.</summary>
    public abstract EndPoint LocalEndPoint { get; }

    /// <summary>The address and port of the peer; an IPv4 peer of a dual-stack socket shows as IPv4.</summary>
    public abstract EndPoint RemoteEndPoint { get; }

    /// <summary>What the peer sends.</summary>
    /// <remarks>
    /// <para>The peer's FIN is <see cref="ReadResult.IsCompleted"/>; <see cref="Output"/> stays usable after it. A reset, a
    /// timeout, <see cref="Abort"/> and a cut by the host end pending and later reads with
    /// <see cref="ConnectionClosedException"/>.</para>
    /// <para>The buffers of a <see cref="ReadResult"/> belong to the host and are valid until
    /// <see cref="PipeReader.AdvanceTo(SequencePosition, SequencePosition)"/>. Bytes that were examined but not consumed
    /// count against the endpoint's <c>readLimit</c> (1 MiB unless configured); beyond it the connection is closed.</para>
    /// <para>The host completes it after the handler has returned.</para>
    /// </remarks>
    public abstract PipeReader Input { get; }

    /// <summary>What is sent to the peer.</summary>
    /// <remarks>
    /// <para><see cref="PipeWriter.FlushAsync(CancellationToken)"/> completes when less than 64 KiB waits to be sent: a
    /// handler that awaits it is held back by a slow peer. <see cref="PipeWriter.WriteAsync"/> is the fast form: with
    /// nothing buffered, the source is handed to the socket without a copy. The source must not change until the call has
    /// completed.</para>
    /// <para><see cref="PipeWriter.CompleteAsync(Exception)"/> sends what was written and then FIN; <see cref="Input"/>
    /// stays usable. After a reset, a timeout, <see cref="Abort"/> or a cut, pending and later flushes throw
    /// <see cref="ConnectionClosedException"/>.</para>
    /// <para>The host completes it after the handler has returned.</para>
    /// </remarks>
    public abstract PipeWriter Output { get; }

    /// <summary>Cancelled when the connection is reset, timed out, aborted or cut, and when it has ended; never by the
    /// peer's FIN alone.</summary>
    /// <remarks>Callbacks run on the thread pool. A reset that arrives while received bytes wait unread may be noticed
    /// only by the next read or write.</remarks>
    public abstract CancellationToken Closed { get; }

    /// <summary>What was agreed on with the peer when the connection was encrypted; null on plain TCP.</summary>
    public virtual ConnectionTls? Tls => null;

    /// <summary>What is kept for this connection, and goes along when a swap moves it to another build (<see cref="ICodeChange"/>).</summary>
    public State State => Volatile.Read(ref _state) ?? Interlocked.CompareExchange(ref _state, new State(), null) ?? _state!;

    /// <summary>Whether its handler is to leave between two messages, to be replaced by another build's.</summary>
    internal virtual bool IsMoving => false;

    /// <summary>Puts another state in place; returns the one before, which may be none.</summary>
    internal State? Exchange(State? state) => Interlocked.Exchange(ref _state, state);

    /// <summary>Closes the connection at once, by a reset: what was written but not yet sent is discarded.</summary>
    /// <remarks>Idempotent; the first reason counts. Pending and later reads and flushes throw
    /// <see cref="ConnectionClosedException"/> with it, and <see cref="Closed"/> is cancelled.</remarks>
    /// <param name="reason">Why, in a few words, for the log and for whoever reads or writes.</param>
    /// <exception cref="ArgumentException"><paramref name="reason"/> is null, empty or white space.</exception>
    public abstract void Abort(string reason);
}
