using System.Buffers;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Messages;

/// <summary>What becomes of a stream: the messages, how many of its bytes they took, and what is wrong with what comes then.</summary>
/// <param name="Messages">Lines as they are, others in hexadecimal, one after the other.</param>
/// <param name="Consumed">In bytes.</param>
/// <param name="Error">Null if nothing is.</param>
internal sealed record ProtocolReading(string Messages, long Consumed, string? Error)
{
    /// <summary>As a handler's loop reads it: after each piece has come, until there is no whole message left.</summary>
    public static ProtocolReading Of<T>(IProtocol<T> protocol, IEnumerable<ReadOnlyMemory<byte>> pieces)
    {
        var messages = new List<string>();
        var received = new List<ReadOnlyMemory<byte>>();
        long consumed = 0;
        foreach (var piece in pieces)
        {
            received.Add(piece);
            var buffer = Pieces.Of(received).Slice(consumed);
            try
            {
                var before = buffer;
                while (protocol.TryRead(ref buffer, out var message))
                {
                    messages.Add(Show(message));
                    consumed += before.Length - buffer.Length;
                    before = buffer;
                }

                if (!buffer.Start.Equals(before.Start) || !buffer.End.Equals(before.End))
                {
                    throw new AssertionException($"{protocol} has moved a buffer without a message");
                }
            }
            catch (InvalidMessageException error)
            {
                return new(Join(messages), consumed, error.Message);
            }
        }

        return new(Join(messages), consumed, null);
    }

    /// <summary>The same of bytes that have all come at once.</summary>
    public static ProtocolReading Of<T>(IProtocol<T> protocol, byte[] stream) => Of(protocol, [stream.AsMemory()]);

    public static string Join(IEnumerable<string> messages) => string.Join(" | ", messages);

    private static string Show<T>(T message) => message is ReadOnlySequence<byte> bytes ? Convert.ToHexString(bytes.ToArray()) : $"{message}";
}
