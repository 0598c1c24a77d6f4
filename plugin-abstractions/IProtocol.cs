using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace PluginServer;

/// <summary>How messages lie in a stream of bytes: where one ends, and how one is written.</summary>
/// <remarks>One instance may serve all connections at once, so it keeps nothing about any of them. <see cref="LineProtocol"/>,
/// <see cref="LengthPrefixProtocol"/>, <see cref="DelimiterProtocol"/> and <see cref="FixedSizeProtocol"/> are built in.</remarks>
/// <typeparam name="TMessage">What a handler gets. It may refer to the buffer that it was read from, which is valid until the handler has
/// dealt with it.</typeparam>
public interface IProtocol<TMessage>
{
    /// <summary>Takes the first message off the front of what was received.</summary>
    /// <remarks>It is called again with the same bytes and those that have come since, so the result must not depend on where the stream was cut.</remarks>
    /// <param name="buffer">What was received and not consumed; with a message, it begins after that when the call returns. Without one it is left as it is.</param>
    /// <param name="message">The message.</param>
    /// <returns>Whether there is a whole one.</returns>
    /// <exception cref="InvalidMessageException">What was received is none and cannot become one, or is longer than allowed.</exception>
    bool TryRead(ref ReadOnlySequence<byte> buffer, [MaybeNullWhen(false)] out TMessage message);

    /// <summary>Writes one message.</summary>
    /// <param name="message">The message.</param>
    /// <param name="output">Where to; it is not flushed.</param>
    /// <exception cref="ArgumentException">It is a message that cannot be written, for it would be read as another; nothing was written.</exception>
    void Write(TMessage message, IBufferWriter<byte> output);
}
