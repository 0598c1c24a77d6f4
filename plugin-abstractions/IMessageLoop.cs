namespace PluginServer;

/// <summary>What the host has to know of a <see cref="MessageHandler{TMessage}"/>, whatever its messages are.</summary>
internal interface IMessageLoop
{
    /// <summary>The loop has ended to be moved, and not because it has finished.</summary>
    bool HasLeft { get; }

    /// <summary>A part of a message has been received, and the rest is waited for.</summary>
    bool IsWithin { get; }

    /// <summary>How many messages it has read.</summary>
    long Messages { get; }

    /// <summary>Takes over a connection that another handler has served: the loop begins without a welcome.</summary>
    ValueTask TakeOverAsync(Connection connection, string fromVersion);
}
