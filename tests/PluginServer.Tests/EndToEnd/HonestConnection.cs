using System.Net;
using System.Net.Sockets;
using System.Text;

namespace PluginServer.Tests.EndToEnd;

/// <summary>A connection that behaves, and checks every byte: of an echo, or of a version handler, which must always be the same version.</summary>
internal sealed class HonestConnection : IDisposable
{
    private readonly Socket _socket;
    private readonly Random _random;
    private readonly string _separator;
    private readonly CancellationTokenSource _patience = new();
    private readonly byte[] _buffer = new byte[32 * 1024];
    private int _round;
    private int _read;
    private int _expected;

    private HonestConnection(Socket socket, string endpoint, Random random)
    {
        _socket = socket;
        _random = random;
        _separator = endpoint == "dashes" ? "-" : endpoint == "lines" ? " " : "";
    }

    /// <summary>Who answers; null before the first answer, and empty for an echo.</summary>
    public string? Version { get; private set; }

    public static async Task<HonestConnection> ConnectAsync(IPEndPoint address, string endpoint, Random random)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            using var patience = new CancellationTokenSource(Support.Deadline.Length);
            await socket.ConnectAsync(address, patience.Token);
            return new HonestConnection(socket, endpoint, random);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Sends something and reads the answer.</summary>
    public async Task RoundAsync()
    {
        // An endpoint that has failed is tried every 30 s, and each time the next fault may be there already.
        _patience.CancelAfter(_round == 0 ? 3 * Support.Deadline.Length : Support.Deadline.Length);
        if (_separator.Length == 0)
        {
            await EchoAsync();
        }
        else
        {
            await AskAsync();
        }

        _round++;
    }

    /// <summary>Ends in order: after its FIN comes the other one, and not a byte.</summary>
    public async Task LeaveAsync()
    {
        _patience.CancelAfter(Support.Deadline.Length);
        _socket.Shutdown(SocketShutdown.Send);
        var more = await _socket.ReceiveAsync(_buffer, _patience.Token);
        if (more > 0)
        {
            throw new InvalidDataException($"{more} bytes that nobody asked for, round {_round}");
        }
    }

    public override string ToString() => $"{_socket.LocalEndPoint} to {_socket.RemoteEndPoint}, version {Version ?? "unknown"}, round {_round}, {_read} of {_expected} bytes read";

    public void Dispose()
    {
        _socket.Dispose();
        _patience.Dispose();
    }

    private async Task EchoAsync()
    {
        var block = new byte[_random.Next(1, _random.OneIn(10) ? 100_000 : 2000)];
        _random.NextBytes(block);
        var sending = SendAsync(block);
        await ExpectAsync(block);
        await sending;
        Version = "";
    }

    private async Task AskAsync()
    {
        List<string> lines = [.. Enumerable.Range(0, Version is null ? 1 : _random.Next(1, 20)).Select(line => $"{_round}.{line} {new string((char)_random.Next('a', 'z'), _random.Next(200))}")];
        await SendAsync(Encoding.ASCII.GetBytes(string.Concat(lines.Select(line => $"{line}\n"))));
        Version ??= await ReadVersionAsync();
        var answer = string.Concat(lines.Select(line => $"{Version}{_separator}{line}\n"));
        await ExpectAsync(Encoding.ASCII.GetBytes(_round == 0 ? answer[(Version.Length + 1)..] : answer));
    }

    /// <summary>What comes before the separator.</summary>
    private async Task<string> ReadVersionAsync()
    {
        var version = new StringBuilder();
        while (true)
        {
            await ReceiveAsync(1, version.ToString());
            if (_buffer[0] == _separator[0])
            {
                return version.ToString();
            }

            version.Append((char)_buffer[0]);
        }
    }

    private async Task ExpectAsync(byte[] expected)
    {
        _expected = expected.Length;
        for (var read = 0; read < expected.Length; _read = read)
        {
            var count = await ReceiveAsync(Math.Min(expected.Length - read, _random.Next(1, _buffer.Length)), $"{read} of {expected.Length} bytes");
            if (!_buffer.AsSpan(0, count).SequenceEqual(expected.AsSpan(read, count)))
            {
                throw new InvalidDataException($"version '{Version}', round {_round}: expected '{Shown(expected.AsSpan(read, count))}' and got '{Shown(_buffer.AsSpan(0, count))}'");
            }

            read += count;
        }
    }

    private static string Shown(ReadOnlySpan<byte> bytes) => Encoding.ASCII.GetString(bytes[..Math.Min(bytes.Length, 80)]);

    private async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await _socket.SendAsync(bytes, _patience.Token)..];
        }
    }

    private async Task<int> ReceiveAsync(int atMost, string after)
    {
        var count = await _socket.ReceiveAsync(_buffer.AsMemory(0, atMost), _patience.Token);
        return count > 0 ? count : throw new EndOfStreamException($"FIN in round {_round} after '{after}'");
    }
}
