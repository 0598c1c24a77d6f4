using System.Net;
using System.Net.Sockets;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>The host as a whole: what holds at start, while it serves and at stop.</summary>
internal sealed class ServerTests
{
    [Test]
    public async Task Not_ready_the_moment_a_stop_begins_while_accepting_goes_on()
    {
        var time = new ManualTime();
        await using var server = await TestServer.StartAsync(
            new Workspace().With("Behaviours").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "PoliteHandler" } ]""", more: "\"shutdownDelay\": \"00:00:10\","),
            time);
        Assert.That(server.Server.IsReady, Is.True);
        using var before = await server.ConnectAsync();
        Assert.That(await before.ReadLineAsync(), Is.EqualTo("hello"));

        var stop = server.StopAsync();
        Assert.That(server.Server.IsReady, Is.False);
        using var during = await server.ConnectAsync();
        Assert.That(await during.ReadLineAsync(), Is.EqualTo("hello"), "accepting goes on");

        time.Advance(TimeSpan.FromSeconds(10));
        Assert.That(await before.ReadTextToEndAsync(), Is.EqualTo("goodbye\n"));
        Assert.That(await during.ReadTextToEndAsync(), Is.EqualTo("goodbye\n"));
        before.SendFin();
        during.SendFin();
        Assert.That(await stop, Is.Zero);
        Assert.That(async () => await server.ConnectAsync(), Throws.InstanceOf<SocketException>(), "the port is closed");
    }

    [Test]
    public async Task What_is_left_at_the_timeout_is_cut_and_counted()
    {
        var time = new ManualTime();
        await using var server = await TestServer.StartAsync(
            new Workspace().With("Behaviours").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "DeafHandler" } ]"""),
            time);
        using var client = await server.ConnectAsync();
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
        var stop = server.StopAsync();
        await Deadline.UntilAsync(() => time.Timers > 0 && server.Log.Any(line => line.Contains("Draining 1", StringComparison.Ordinal)), "the timeout runs");
        time.Advance(TimeSpan.FromSeconds(29));
        Assert.That(stop.IsCompleted, Is.False);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.That(await client.EndsInResetAsync(), Is.True);
        Assert.That(await stop, Is.EqualTo(1));
        Assert.That(server.Endpoint().Counters.Cut, Is.EqualTo(1));
    }

    [Test]
    public async Task A_start_that_fails_leaves_no_port_open_and_no_state_directory_claimed()
    {
        using var workspace = new Workspace().With("Echo");
        using var other = new Socket(SocketType.Stream, ProtocolType.Tcp);
        other.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        other.Listen();
        using var probe = new Socket(SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var free = ((IPEndPoint)probe.LocalEndPoint!).Port;
        probe.Dispose();
        workspace.Configure($$"""
            [ { "address": "127.0.0.1", "port": {{free}}, "plugin": "Echo" },
              { "address": "127.0.0.1", "port": {{((IPEndPoint)other.LocalEndPoint!).Port}}, "plugin": "Echo" } ]
            """);
        Assert.That(async () => await TestServer.StartAsync(workspace), Throws.InstanceOf<StartException>());
        Assert.That(async () => await Client.ConnectAsync(new IPEndPoint(IPAddress.Loopback, free)), Throws.InstanceOf<SocketException>());

        workspace.Configure($$"""[ { "name": "test", "address": "127.0.0.1", "port": {{free}}, "plugin": "Echo" } ]""");
        await using var server = await TestServer.StartAsync(workspace);
        Assert.That(server.Endpoint().Port, Is.EqualTo(free));
    }

    [Test]
    public async Task What_a_handler_leaves_in_the_flow_is_seen_by_no_other_connection()
    {
        await using var server = await TestServer.StartAsync("Behaviours", "FlowHandler");
        for (var round = 0; round < 50; round++)
        {
            using var client = await server.ConnectAsync();
            Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("nothing"));
        }
    }

    [Test]
    public async Task Socket_options_reach_the_accepted_socket()
    {
        var options = new List<(bool NoDelay, bool KeepAlive)>();
        var buffers = new List<(int Receive, int Send)>();
        var transport = new FaultyTransport
        {
            Attaching = socket =>
            {
                buffers.Add((socket.ReceiveBufferSize, socket.SendBufferSize));
                options.Add((socket.NoDelay, (int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive)! != 0));
            },
        };
        await using var server = await TestServer.StartAsync(
            new Workspace().With("Echo").Configure("""
                [ { "name": "plain", "address": "127.0.0.1", "port": 0, "plugin": "Echo" },
                  { "name": "set", "address": "127.0.0.1", "port": 0, "plugin": "Echo", "socket": { "noDelay": false, "keepAlive": true, "receiveBuffer": 20000, "sendBuffer": 30000 } } ]
                """),
            transport: transport);
        using (await server.ConnectAsync("plain"))
        {
            await Deadline.UntilAsync(() => options.Count == 1, "accepted");
        }

        using var client = await server.ConnectAsync("set");
        await Deadline.UntilAsync(() => options.Count == 2, "accepted");
        Assert.That(options[0], Is.EqualTo((true, false)));
        Assert.That(options[1], Is.EqualTo((false, true)));

        // socket(7): the kernel doubles what it is told.
        Assert.That(buffers[1], Is.EqualTo((40_000, 60_000)));

        var file = server.Workspace.ConfigFile;
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file)).Replace("\"noDelay\": false", "\"noDelay\": true", StringComparison.Ordinal));
        Assert.That((await server.Reloader.ReloadAsync()).Changes, Is.Not.Empty);
        using var next = await server.ConnectAsync("set");
        await Deadline.UntilAsync(() => options.Count == 3, "accepted");
        Assert.That(options[2], Is.EqualTo((true, true)), "the listening socket stays");
    }
}
