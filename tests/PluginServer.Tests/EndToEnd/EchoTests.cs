using System.Security.Cryptography;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>The Echo sample, from its own folder, in its own load context.</summary>
internal sealed class EchoTests
{
    private static int Bytes(int small) => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_ECHO_BYTES"), out var size) ? size : small;

    [TestCase(1024, 64 << 20)]
    [TestCase(1 << 20, 64 << 20)]
    public Task Random_bytes_come_back_identical(int chunk, int bytes) => EchoAsync(chunk, bytes);

    /// <summary>64 MiB in single bytes is 64 million system calls: the full size is for .ci/long.</summary>
    [Test]
    [Category("Long")]
    public Task Random_bytes_sent_one_by_one_come_back_identical() => EchoAsync(1, Bytes(256 << 10));

    [Test]
    public async Task Ipv6_and_ipv4_clients_are_served_by_one_listener()
    {
        await using var server = await TestServer.StartAsync(new Workspace().With("Behaviours").Configure("""[ { "name": "test", "port": 0, "plugin": "Behaviours", "handler": "ObedientHandler" } ]"""));
        var port = server.Endpoint().Port;
        foreach (var address in new[] { "127.0.0.1", "::1" })
        {
            using var client = await Client.ConnectAsync(new System.Net.IPEndPoint(System.Net.IPAddress.Parse(address), port));
            await client.SendAsync("who\n");
            var local = address == "::1" ? "[::1]" : address;
            Assert.That(await client.ReadTextToEndAsync(), Does.Match($"^\\d+ test {System.Text.RegularExpressions.Regex.Escape(local)}:{port} {System.Text.RegularExpressions.Regex.Escape(local)}:\\d+$"));
        }
    }

    [Test]
    public async Task A_client_that_never_reads_costs_at_most_1_MiB()
    {
        var transport = DefaultTransport.Create(TimeProvider.System);
        await using var server = await TestServer.StartAsync(new Workspace().With("Echo").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]"""), transport: transport);
        using var client = await server.ConnectAsync();
        client.Socket.Blocking = false;
        var block = new byte[64 * 1024];
        var most = 0;

        // Sends until the whole way is full, the kernel's buffers included: the host has stopped reading then.
        for (var refused = 0; refused < 200;)
        {
            client.Socket.Send(block, System.Net.Sockets.SocketFlags.None, out var error);
            most = Math.Max(most, transport.RentedBlocks());
            if (error == System.Net.Sockets.SocketError.WouldBlock)
            {
                refused++;
                await Task.Delay(TimeSpan.FromMilliseconds(2));
            }
        }

        Assert.That((long)most * Block.Size, Is.LessThanOrEqualTo(1 << 20));
        Assert.That(most, Is.GreaterThan(0));
    }

    [Test]
    public async Task A_client_that_never_reads_a_flood_costs_at_most_1_MiB()
    {
        var transport = DefaultTransport.Create(TimeProvider.System);
        await using var server = await TestServer.StartAsync(new Workspace().With("Behaviours").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "FloodHandler" } ]"""), transport: transport);
        using var client = await server.ConnectAsync();
        await Deadline.UntilAsync(() => transport.RentedBlocks() > 0, "the kernel's buffers are full and the host queues");
        Assert.That((long)transport.RentedBlocks() * Block.Size, Is.LessThanOrEqualTo(1 << 20));
    }

    private static async Task EchoAsync(int chunk, int bytes)
    {
        await using var server = await TestServer.StartAsync("Echo");
        using var client = await server.ConnectAsync();
        var sent = RandomNumberGenerator.GetBytes(bytes);
        var sending = Task.Run(async () =>
        {
            for (var at = 0; at < sent.Length; at += chunk)
            {
                await client.SendAsync(sent.AsMemory(at, Math.Min(chunk, sent.Length - at)));
            }

            client.SendFin();
        });
        var received = await client.ReadToEndAsync();
        await sending.Within();
        Assert.That(received.AsSpan().SequenceEqual(sent), Is.True, $"{received.Length} of {sent.Length} bytes");
        await server.AssertNothingLeftAsync();
        Assert.That(server.Endpoint().Counters.Received, Is.EqualTo(bytes));
        Assert.That(server.Endpoint().Counters.Sent, Is.EqualTo(bytes));
    }
}
