using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text.Json;

namespace PluginServer.Benchmarks;

/// <summary>Clients of an echo server, each of which checks every byte. A process of its own, whose sockets complete inline: it is to cost little beside the server.</summary>
internal sealed class LoadGenerator(Scenario scenario, int port)
{
    private readonly Latencies _latencies = new();
    private long _errors;
    private bool _over;

    public static async Task<int> PrintAsync(string name, int port, TimeSpan length)
    {
        var result = await new LoadGenerator(Scenario.Of(name), port).RunAsync(length);
        Console.WriteLine(JsonSerializer.Serialize(result));
        return 0;
    }

    public async Task<LoadResult> RunAsync(TimeSpan length)
    {
        var started = Stopwatch.GetTimestamp();
        var clients = Enumerable.Range(0, scenario.Connections).Select(number => Task.Run(() => scenario.IsChurn ? ChurnAsync(number) : EchoAsync(number))).ToList();
        await Task.Delay(length);
        Volatile.Write(ref _over, true);
        var took = Stopwatch.GetElapsedTime(started);
        var count = _latencies.Count;
        await Task.WhenAll(clients);
        return new LoadResult(count / took.TotalSeconds, _latencies.Percentile(0.5), _latencies.Percentile(0.99), _latencies.Percentile(0.999), _errors);
    }

    private async Task EchoAsync(int number)
    {
        try
        {
            using var connection = await LoadConnection.OpenAsync(scenario, port);

            // All of a connection's messages are alike, so what comes back is a piece of this at any offset within one.
            var messages = Enumerable.Repeat(Pattern(number), scenario.Depth + 1).SelectMany(bytes => bytes).ToArray();
            var received = new byte[scenario.Depth * scenario.Size];
            var due = new Queue<long>();
            var part = 0;
            while (true)
            {
                // As many as there is room for at once, as a client does that has so much to say.
                var room = Volatile.Read(ref _over) ? 0 : scenario.Depth - due.Count;
                if (room > 0)
                {
                    var now = Stopwatch.GetTimestamp();
                    for (var message = 0; message < room; message++)
                    {
                        due.Enqueue(now);
                    }

                    await connection.SendAsync(messages.AsMemory(0, room * scenario.Size));
                }

                if (due.Count == 0)
                {
                    return;
                }

                var count = await connection.ReceiveAsync(received);
                if (count == 0 || !received.AsSpan(0, count).SequenceEqual(messages.AsSpan(part, count)))
                {
                    throw new InvalidDataException(count == 0 ? "the server has ended the connection" : "a wrong byte came back");
                }

                for (part += count; part >= scenario.Size; part -= scenario.Size)
                {
                    _latencies.Add(due.Dequeue());
                }
            }
        }
        catch (Exception error) when (error is SocketException or IOException or InvalidDataException or AuthenticationException)
        {
            Count(error);
        }
    }

    private async Task ChurnAsync(int number)
    {
        var (sent, received) = (Pattern(number), new byte[scenario.Size]);
        while (!Volatile.Read(ref _over))
        {
            var due = Stopwatch.GetTimestamp();
            try
            {
                using var connection = await LoadConnection.OpenAsync(scenario, port);
                await connection.SendAsync(sent);
                await ReceiveAsync(connection, received, sent);
                await connection.ShutDownAsync();
                if (await connection.ReceiveAsync(received) != 0)
                {
                    throw new InvalidDataException("more came back than was sent");
                }

                _latencies.Add(due);
            }
            catch (Exception error) when (error is SocketException or IOException or InvalidDataException or AuthenticationException)
            {
                Count(error);
            }
        }
    }

    /// <summary>The first one is told, for whoever looks for the reason.</summary>
    private void Count(Exception error)
    {
        if (Interlocked.Increment(ref _errors) == 1)
        {
            Console.Error.WriteLine($"{scenario.Name}: {error.GetBaseException().Message}");
        }
    }

    private static async ValueTask ReceiveAsync(LoadConnection connection, byte[] received, byte[] expected)
    {
        for (var length = 0; length < received.Length;)
        {
            var count = await connection.ReceiveAsync(received.AsMemory(length));
            length += count > 0 ? count : throw new InvalidDataException("the server has ended the connection");
        }

        if (!received.AsSpan().SequenceEqual(expected))
        {
            throw new InvalidDataException("a wrong byte came back");
        }
    }

    private byte[] Pattern(int number)
    {
        var bytes = new byte[scenario.Size];
        new Random(number).NextBytes(bytes);
        return bytes;
    }
}
