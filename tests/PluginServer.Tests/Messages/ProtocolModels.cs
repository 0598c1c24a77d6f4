using System.Buffers.Binary;
using System.Text;

namespace PluginServer.Tests.Messages;

/// <summary>The protocols once more, for bytes that lie in one array and have all come: as plain as can be.</summary>
internal static class ProtocolModels
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    public static ProtocolReading Lines(byte[] stream, int maximum)
    {
        var messages = new List<string>();
        var at = 0;
        while (true)
        {
            var rest = stream.AsSpan(at);
            var end = rest.IndexOf((byte)'\n');
            var line = end < 0 ? rest : rest[..end];
            var text = line.EndsWith("\r"u8) ? line[..^1] : line;
            string? error = null;
            if (text.Length > maximum)
            {
                error = $"a line has more than {maximum} bytes";
            }
            else if (end >= 0)
            {
                try
                {
                    messages.Add(Strict.GetString(text));
                }
                catch (ArgumentException)
                {
                    error = "a line is not UTF-8";
                }
            }

            if (error is not null || end < 0)
            {
                return new(ProtocolReading.Join(messages), at, error);
            }

            at += end + 1;
        }
    }

    public static ProtocolReading Prefixed(byte[] stream, int prefix, bool bigEndian, int maximum)
    {
        var messages = new List<string>();
        var at = 0;
        while (stream.Length - at >= prefix)
        {
            var number = new byte[8];
            for (var index = 0; index < prefix; index++)
            {
                number[bigEndian ? prefix - 1 - index : index] = stream[at + index];
            }

            var length = BinaryPrimitives.ReadInt64LittleEndian(number);
            if (length > maximum)
            {
                return new(ProtocolReading.Join(messages), at, $"a message of {length} bytes is announced, and at most {maximum} are allowed");
            }

            if (stream.Length - at - prefix < length)
            {
                break;
            }

            messages.Add(Convert.ToHexString(stream.AsSpan(at + prefix, (int)length)));
            at += prefix + (int)length;
        }

        return new(ProtocolReading.Join(messages), at, null);
    }

    public static ProtocolReading Delimited(byte[] stream, byte[] delimiter, int maximum)
    {
        var messages = new List<string>();
        var at = 0;
        while (true)
        {
            var rest = stream.AsSpan(at);
            var end = rest.IndexOf(delimiter);

            // Without a delimiter yet, at least so many bytes are the message's.
            var atLeast = end < 0 ? rest.Length - delimiter.Length + 1 : end;
            if (atLeast > maximum || end < 0)
            {
                return new(ProtocolReading.Join(messages), at, atLeast > maximum ? $"a message has more than {maximum} bytes" : null);
            }

            messages.Add(Convert.ToHexString(rest[..end]));
            at += end + delimiter.Length;
        }
    }

    public static ProtocolReading Fixed(byte[] stream, int size)
    {
        var whole = stream.Chunk(size).Where(chunk => chunk.Length == size).ToList();
        return new(ProtocolReading.Join(whole.Select(Convert.ToHexString)), whole.Count * size, null);
    }
}
