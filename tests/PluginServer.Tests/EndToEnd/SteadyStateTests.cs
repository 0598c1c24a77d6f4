using System.Globalization;
using System.Net;
using System.Net.Sockets;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>A host that serves for long: what its echoes leave for the collector.</summary>
[NonParallelizable]
[Category("Long")]
internal sealed class SteadyStateTests
{
    private const int Message = 64;
    private const int Depth = 16;

    private static int Echoes => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_ECHOES"), out var size) ? size : 200_000;

    /// <summary>Ten million at full size, sixteen in flight, through the sample plugin in its load context. How often the process collected
    /// is told and not asserted: other tests in it have unloads proved meanwhile.</summary>
    [Test]
    public async Task Millions_of_echoes_allocate_nothing()
    {
        await using var server = await TestServer.StartAsync("Echo");
        using var client = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = 30_000 };
        client.Connect(new IPEndPoint(IPAddress.Loopback, server.Endpoint().Port));

        // Until the code is compiled for good, and every block is in the pool.
        await EchoOnThreadAsync(client, 100_000);
        var (collected, allocated) = (GC.CollectionCount(2), GC.GetTotalAllocatedBytes());
        await EchoOnThreadAsync(client, Echoes);
        allocated = GC.GetTotalAllocatedBytes() - allocated;
        collected = GC.CollectionCount(2) - collected;
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Echoes} echoes: {allocated} bytes allocated in the whole process, {collected} collections of generation 2"));
        // The host's own timers and the test's thread are among it; an object for each echo would be a hundred times as much.
        Assert.That((double)allocated / Echoes, Is.LessThan(1));
    }

    // On a thread of its own and without a wait of the pool, so that the client allocates nothing.
    private static Task EchoOnThreadAsync(Socket client, int echoes) =>
        Task.Factory.StartNew(() => Echo(client, echoes), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static void Echo(Socket client, int echoes)
    {
        Span<byte> sent = stackalloc byte[Message * Depth];
        Span<byte> received = stackalloc byte[Message * Depth];
        for (var left = echoes; left > 0; left -= Depth)
        {
            sent.Fill((byte)left);
            client.Send(sent);
            for (var at = 0; at < received.Length;)
            {
                var count = client.Receive(received[at..]);
                at += count > 0 ? count : throw new InvalidOperationException("The stream has ended.");
            }

            if (!received.SequenceEqual(sent))
            {
                throw new InvalidOperationException("Other bytes came back.");
            }
        }
    }
}
