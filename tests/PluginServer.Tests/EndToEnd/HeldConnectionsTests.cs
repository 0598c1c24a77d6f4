using System.Globalization;
using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Thousands of connections that say nothing: what each costs a host in a process of its own, and that none is lost.</summary>
[NonParallelizable]
[Category("Long")]
[Platform("Linux")]
internal sealed class HeldConnectionsTests
{
    /// <summary>What a host takes once, when its first clients come: code is compiled for them.</summary>
    private const long Once = 3 << 20;

    /// <summary>Descriptors of the test itself, and of its host.</summary>
    private const int Others = 900;

    private readonly List<Socket> _clients = [];

    private static int Held => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_HELD"), out var size) ? size : 1000;

    [TearDown]
    public void Hang() => _clients.ForEach(client => client.Dispose());

    [Test]
    public async Task One_that_waits_takes_no_more_than_its_share()
    {
        using var workspace = new Workspace().With("Echo").Configure($$"""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo", "maxConnections": {{Held}} } ]""");
        using var host = await HostProcess.StartAsync(workspace);
        var grown = await GrowthAsync(host, Held, "x"u8.ToArray(), answer: 1);
        Assert.That(grown, Is.LessThan(Once + (Held * 1229L)), "1.2 KiB each");
    }

    /// <summary>A fifth as many: what it has received is kept in a small block, not in the one that it was received into.</summary>
    [Test]
    public async Task One_with_half_a_message_keeps_little_more_than_the_message()
    {
        var held = Math.Max(Held / 5, 500);
        using var workspace = new Workspace().With("Behaviours").Configure($$"""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "DelimiterHandler", "maxConnections": {{held}} } ]""");
        using var host = await HostProcess.StartAsync(workspace);
        var half = new byte[500];
        var grown = await GrowthAsync(host, held, half, answer: 0);
        Assert.That(grown, Is.LessThan(Once + (held * 2048L)), "2 KiB each");
        await AnswerAsync("\n"u8.ToArray(), 4);
    }

    [Test]
    public async Task As_many_as_the_open_file_limit_allows_are_held_and_none_is_lost()
    {
        var held = 19 * Held / 10;
        if (HostLimit.OpenFiles() is { } files && files < held + Others)
        {
            Assert.Ignore($"this process may open {files} files, and the test needs {held + Others}");
        }

        using var workspace = new Workspace().With("Echo").Configure($$"""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Echo", "maxConnections": {{held}} } ]""");
        using var host = await HostProcess.StartLimitedAsync(workspace, held + 1000);
        await GrowthAsync(host, held, "x"u8.ToArray(), answer: 1);
        await AnswerAsync("y"u8.ToArray(), 1);
    }

    /// <summary>By how many bytes the host has grown when all are inside and have said something.</summary>
    private async Task<long> GrowthAsync(HostProcess host, int count, byte[] said, int answer)
    {
        // The administration's own code is compiled by then, and what warms up is no client's.
        await host.SettledAsync();
        Assert.That(await InsideAsync(host), Is.Zero);
        var before = Resident(host.Id);
        for (var index = 0; index < count; index++)
        {
            var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            _clients.Add(client);
            await client.ConnectAsync(host.EndPoint("test")).Within();
        }

        await AnswerAsync(said, answer);
        await Deadline.UntilAsync(async () => await InsideAsync(host) == count, "all inside");
        var grown = Resident(host.Id) - before;
        TestContext.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count} held: {grown / 1024.0 / count:0.00} KiB each of resident memory over the idle host"));
        return grown;
    }

    /// <summary>Every client says something and, where there is an answer, gets all of it.</summary>
    private async Task AnswerAsync(byte[] said, int answer)
    {
        foreach (var client in _clients)
        {
            await client.SendAsync(said).Within();
        }

        var bytes = new byte[answer];
        foreach (var client in _clients)
        {
            for (var left = answer; left > 0;)
            {
                var received = await client.ReceiveAsync(bytes.AsMemory(0, left)).Within();
                Assert.That(received, Is.GreaterThan(0), "a connection was lost");
                left -= received;
            }
        }
    }

    private static async Task<int> InsideAsync(HostProcess host) => (int)(await host.StatusAsync())["endpoints"]![0]!["activeConnections"]!;

    /// <summary>VmRSS of proc(5), /proc/PID/status, in bytes.</summary>
    private static long Resident(int process)
    {
        var line = File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
    }
}
