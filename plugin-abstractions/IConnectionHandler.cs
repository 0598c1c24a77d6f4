namespace PluginServer;

/// <summary>The business logic behind an endpoint: what a port in plugins.json is bound to.</summary>
/// <remarks>
/// One instance serves one connection, so its fields are that connection's state. It is made from the plugin's
/// container (constructor injection; an <c>IOptions&lt;T&gt;</c> parameter receives the endpoint's <c>settings</c>) and,
/// if it is <see cref="IAsyncDisposable"/> or <see cref="IDisposable"/>, disposed after <see cref="HandleAsync"/> has ended.
/// </remarks>
public interface IConnectionHandler
{
    /// <summary>Serves one connection. Called once; the connection ends when the returned task does.</summary>
    /// <remarks>
    /// <para>Returning means: what was written is flushed, FIN is sent, what the peer still sends is read and discarded
    /// for at most 1 s or 64 KiB (so that the last reply is not lost to a reset), and the socket is closed.</para>
    /// <para>Every exception is a handler fault, counted and logged, and closes the connection by a reset. The exceptions
    /// to that: <see cref="OperationCanceledException"/> once <paramref name="draining"/> or
    /// <see cref="Connection.Closed"/> has been cancelled, and <see cref="ConnectionClosedException"/>. One that escapes from a
    /// callback registered with either token is a fault too, but does not close the connection.</para>
    /// <para>The call starts without a synchronisation context and may be resumed on any thread. Code that blocks is
    /// tolerated, not free.</para>
    /// </remarks>
    /// <param name="connection">The connection; it belongs to the host and must not be kept after the task has ended.</param>
    /// <param name="draining">Cancelled when the handler is asked to finish at the next message boundary: the endpoint is
    /// removed, drained or stopped. The connection itself stays usable until the host's deadline.</param>
    /// <returns>A task that ends when the handler has finished with the connection. Null is a handler fault.</returns>
    Task HandleAsync(Connection connection, CancellationToken draining);
}
