using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>What a service manager hears of a host from its start to its end.</summary>
[Platform("Linux")]
internal sealed class SystemdMessagesTests
{
    private readonly Workspace _workspace = new();
    private readonly IPEndPoint _address = SocketActivation.FreeAddress();
    private readonly Socket _manager = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly byte[] _message = new byte[4096];

    private string NotifySocket => Path.Combine(_workspace.Root, "notify");

    [SetUp]
    public void Listen()
    {
        Configure("");
        _workspace.With("Echo");
        _manager.Bind(new UnixDomainSocketEndPoint(NotifySocket));
    }

    [TearDown]
    public void Remove()
    {
        _manager.Dispose();
        _workspace.Dispose();
    }

    [Test]
    public async Task It_is_ready_once_it_serves_and_tells_of_reloads_and_of_its_stop()
    {
        using var host = HostProcess.Launch(_workspace, ["env", $"NOTIFY_SOCKET={NotifySocket}"]);
        Assert.That(await HearAsync(), Is.EqualTo("READY=1"));
        using (var client = await Client.ConnectAsync(_address))
        {
            await client.SendAsync("hello\n");
            Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
        }

        await AssertReloadAsync(host);

        // A rejected one ends as well, and the host goes on.
        await File.WriteAllTextAsync(_workspace.ConfigFile, "broken");
        await AssertReloadAsync(host);
        Configure("\"shutdownDelay\": \"00:00:02\", \"shutdownTimeout\": \"00:00:03\",");
        await AssertReloadAsync(host);
        host.Signal("TERM");
        Assert.That(await HearAsync(), Is.EqualTo("STOPPING=1\nEXTEND_TIMEOUT_USEC=45000000"), "what plugins.json says now, and 40 s for handlers and services that take longer");
        Assert.That(await host.ExitAsync(), Is.Zero, host.Output);
        Assert.That(_manager.Available, Is.Zero);
    }

    [Test]
    public async Task The_watchdog_is_told_for_as_long_as_the_host_runs()
    {
        using var host = HostProcess.Launch(_workspace, ["env", $"NOTIFY_SOCKET={NotifySocket}", "WATCHDOG_USEC=200000"]);
        Assert.That(await HearAsync(), Is.EqualTo("READY=1"));
        var watch = Stopwatch.StartNew();
        for (var ping = 0; ping < 10; ping++)
        {
            Assert.That(await HearAsync(), Is.EqualTo("WATCHDOG=1"));
        }

        // Timers fire a little early, and never twice at once.
        Assert.That(watch.Elapsed, Is.GreaterThan(TimeSpan.FromSeconds(0.8)), "twice in each of its periods, and no more often");
        host.Signal("TERM");
        Assert.That(await host.ExitAsync(), Is.Zero, host.Output);
        var last = new List<string>();
        while (_manager.Available > 0)
        {
            last.Add(await HearAsync());
        }

        Assert.That(last, Has.One.StartsWith("STOPPING=1\n").And.None.EqualTo("READY=1"));
    }

    [Test]
    public async Task A_host_that_cannot_start_is_never_ready()
    {
        await File.WriteAllTextAsync(_workspace.ConfigFile, "broken");
        using var host = HostProcess.Launch(_workspace, ["env", $"NOTIFY_SOCKET={NotifySocket}"]);
        Assert.That(await host.ExitAsync(), Is.EqualTo(1));
        Assert.That(_manager.Available, Is.Zero);
    }

    private async Task AssertReloadAsync(HostProcess host)
    {
        var before = Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000);
        host.Signal("HUP");
        var lines = (await HearAsync()).Split('\n');
        Assert.That(lines[0], Is.EqualTo("RELOADING=1"));
        Assert.That(lines[1], Does.StartWith("MONOTONIC_USEC="));
        Assert.That(long.Parse(lines[1]["MONOTONIC_USEC=".Length..], CultureInfo.InvariantCulture), Is.InRange(before, Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000)));
        Assert.That(await HearAsync(), Is.EqualTo("READY=1"));
    }

    private void Configure(string more) =>
        _workspace.Configure($$"""[ { "name": "test", "address": "127.0.0.1", "port": {{_address.Port}}, "plugin": "Echo" } ]""", more: more);

    private async Task<string> HearAsync() => Encoding.UTF8.GetString(_message, 0, await _manager.ReceiveAsync(_message, Deadline.Token));
}
