using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Debian's HAProxy in front of an endpoint.</summary>
internal sealed class HaproxyTests
{
    private readonly Workspace _workspace = new();
    private Process? _haproxy;

    [SetUp]
    public async Task Fill()
    {
        if (await Tools.MissingAsync("haproxy") is { } why)
        {
            Assert.Ignore(why);
        }

        _workspace.With("Behaviours");
    }

    [TearDown]
    public void Remove()
    {
        _haproxy?.Kill();
        _haproxy?.Dispose();
        _workspace.Dispose();
    }

    [TestCase("send-proxy", "epoll")]
    [TestCase("send-proxy", "sockets")]
    [TestCase("send-proxy-v2", "epoll")]
    [TestCase("send-proxy-v2", "sockets")]
    [TestCase("send-proxy-v2 proxy-v2-options crc32c", "epoll")]
    public async Task The_handler_sees_the_client_of_the_proxy_and_checks_are_silent(string how, string transport)
    {
        _workspace.Configure($$"""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "ObedientHandler", "proxyProtocol": "required", "transport": "{{transport}}" } ]""");
        await using var server = await TestServer.StartAsync(_workspace, keep: true);
        var front = await StartProxyAsync(server.Endpoint().Port, $"{how} check inter 50ms check-send-proxy");
        for (var number = 0; number < 20; number++)
        {
            using var client = await ConnectAsync(front);
            var own = (IPEndPoint)client.Socket.LocalEndPoint!;
            await client.SendAsync("who\n");
            Assert.That(await client.ReadTextToEndAsync(), Does.EndWith($" test {front} {own}"));
        }

        await Deadline.UntilAsync(() => server.Endpoint().Counters.Accepted >= 25, "some health checks have come, too");
        Assert.That(server.Endpoint().Counters.HandlerFaults, Is.Zero);
        Assert.That(server.Log.Where(line => line.StartsWith("Warning", StringComparison.Ordinal) || line.StartsWith("Error", StringComparison.Ordinal)), Is.Empty);
    }

    [Test]
    public async Task A_proxy_that_sends_no_header_is_turned_away_and_its_checks_are_silent()
    {
        _workspace.Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "ObedientHandler", "proxyProtocol": "required" } ]""");
        await using var server = await TestServer.StartAsync(_workspace, keep: true);
        var front = await StartProxyAsync(server.Endpoint().Port, "check inter 50ms");
        using var client = await ConnectAsync(front);
        await client.SendAsync("who\n");
        await client.EndsInResetAsync();
        await Deadline.UntilAsync(() => server.Log.Any(line => line.EndsWith("its PROXY header is missing or broken (proxyProtocol): the connection begins with something else", StringComparison.Ordinal)), "the log says why");
        Assert.That(server.Log.Count(line => line.StartsWith("Warning", StringComparison.Ordinal)), Is.EqualTo(1), "of the checks, which end before they are accepted, nobody hears");
    }

    private static async Task<Client> ConnectAsync(IPEndPoint front)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                return await Client.ConnectAsync(front);
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionRefused && watch.Elapsed < Deadline.Length)
            {
                // It has not begun to listen yet.
                await Task.Delay(TimeSpan.FromMilliseconds(10));
            }
        }
    }

    /// <summary>Where it listens.</summary>
    private async Task<IPEndPoint> StartProxyAsync(int port, string server)
    {
        var front = new IPEndPoint(IPAddress.Loopback, FreePort());
        var file = Path.Combine(_workspace.Root, "haproxy.cfg");
        await File.WriteAllTextAsync(file, $"""
            defaults
              mode tcp
              timeout connect 5s
              timeout client 60s
              timeout server 60s
            listen front
              bind {front}
              server one 127.0.0.1:{port} {server}

            """);
        var (code, output) = await Tools.RunAsync("haproxy", "-c", "-f", file);
        Assert.That(code, Is.Zero, output);
        _haproxy = Process.Start(new ProcessStartInfo("haproxy", ["-db", "-q", "-f", file]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        return front;
    }

    private static int FreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port;
    }
}
