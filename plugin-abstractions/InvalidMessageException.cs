namespace PluginServer;

/// <summary>What a peer has sent is not a message of its <see cref="IProtocol{TMessage}"/>.</summary>
/// <remarks>The peer's fault and not the handler's: it is not counted as one. See <see cref="MessageHandler{TMessage}.OnInvalidMessageAsync"/>.</remarks>
public sealed class InvalidMessageException : IOException
{
    /// <summary>Without a reason.</summary>
    public InvalidMessageException()
        : base("What the peer has sent is not a message.")
    {
    }

    /// <param name="message">What is wrong with it, for the log; it should quote nothing that may be a secret.</param>
    public InvalidMessageException(string message)
        : base(message)
    {
    }

    /// <param name="message">What is wrong with it, for the log; it should quote nothing that may be a secret.</param>
    /// <param name="innerException">What found it.</param>
    public InvalidMessageException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
