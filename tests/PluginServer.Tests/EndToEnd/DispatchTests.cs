using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Handlers that block the socket loop are moved off it, and whoever is beside them goes on.</summary>
internal sealed class DispatchTests
{
    private const int Blockers = 60;

    [Test]
    public async Task A_plugin_that_keeps_blocking_is_demoted_once_and_said_so_and_the_endpoint_beside_it_is_served()
    {
        Assume.That(OperatingSystem.IsLinux(), "the epoll transport is for Linux");
        var workspace = new Workspace().With("Misbehaving", "Echo").Configure("""
            [ { "name": "blocking", "address": "127.0.0.1", "port": 0, "plugin": "Misbehaving", "handler": "BoundedHandler" },
              { "name": "beside", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]
            """);
        await using var server = await TestServer.StartAsync(workspace, transport: new EpollTransport(TimeProvider.System));
        using var beside = await server.ConnectAsync("beside");
        Assert.That(Dispatch(server), Is.EqualTo("inline"));
        for (var round = 0; Dispatch(server) == "inline"; round++)
        {
            Assert.That(round, Is.LessThan(20), "demoted");
            var clients = await Task.WhenAll(Enumerable.Range(0, Blockers).Select(_ => server.ConnectAsync("blocking")));
            await Task.WhenAll(clients.Select(client => client.SendAsync("block\n")));
            await beside.SendAsync("still here\n");
            Assert.That(await beside.ReadLineAsync(), Is.EqualTo("still here"));
            foreach (var client in clients)
            {
                Assert.That(await client.ReadLineAsync(), Is.EqualTo("done"));
                client.Dispose();
            }
        }

        Assert.That(server.Log.Count(line => line.Contains("BoundedHandler blocks", StringComparison.Ordinal)), Is.EqualTo(1), string.Join('\n', server.Log));
        using var own = await server.ConnectAsync("blocking");
        await own.SendAsync("block\n");
        Assert.That(await own.ReadLineAsync(), Is.EqualTo("done"));
        Assert.That(server.Reloader.Status().Plugins.Single(plugin => plugin.Name == "Echo").Dispatch, Is.EqualTo("inline"));
        Assert.That(server.Endpoint("blocking").Counters.HandlerFaults + server.Endpoint("beside").Counters.HandlerFaults, Is.Zero);
    }

    private static string Dispatch(TestServer server) => server.Reloader.Status().Plugins.Single(plugin => plugin.Name == "Misbehaving").Dispatch;
}
