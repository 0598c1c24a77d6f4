namespace PluginServer;

/// <summary>Thrown by reads and flushes of a connection that is gone: reset by the peer, timed out, aborted or cut.</summary>
/// <remarks>A handler may let it pass: it is not a handler fault. The message is the reason.</remarks>
public sealed class ConnectionClosedException : IOException
{
    /// <summary>Makes one without a particular reason.</summary>
    public ConnectionClosedException()
        : base("The connection is closed.")
    {
    }

    /// <summary>Makes one with a reason.</summary>
    /// <param name="message">Why the connection was closed.</param>
    public ConnectionClosedException(string message)
        : base(message)
    {
    }

    /// <summary>Makes one with a reason and the error that was the cause.</summary>
    /// <param name="message">Why the connection was closed.</param>
    /// <param name="innerException">The error that was the cause.</param>
    public ConnectionClosedException(string message, Exception? innerException)
        : base(message, innerException)
    {
    }
}
