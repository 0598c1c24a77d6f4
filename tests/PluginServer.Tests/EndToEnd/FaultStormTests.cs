using System.Globalization;
using System.Net.Sockets;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>A handler that fails with every connection is told of once a second.</summary>
internal sealed class FaultStormTests
{
    private static readonly int Faults = int.Parse(Environment.GetEnvironmentVariable("PLUGINSERVER_FAULTS") ?? "500", CultureInfo.InvariantCulture);

    [Test]
    [Category("Long")]
    public async Task Is_two_lines_and_every_fault_is_counted()
    {
        var time = new ManualTime();
        await using var server = await TestServer.StartAsync(
            new Workspace().With("Behaviours").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Behaviours", "handler": "ThrowingHandler" } ]"""),
            time);
        for (var fault = 0; fault < Faults; fault++)
        {
            await FailAsync(server);
        }

        await Deadline.UntilAsync(() => server.Endpoint().Counters.HandlerFaults == Faults, "all counted");
        await server.AssertNothingLeftAsync();
        Assert.That(Lines(server), Has.Exactly(1).Items.And.All.Contains("handler fault in Behaviours generation 1: System."));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.That(Lines(server), Has.Exactly(2).Items.And.Exactly(1).Contains($"Endpoint test: {Faults - 1} times more: handler fault (System."));
    }

    private static async Task FailAsync(TestServer server)
    {
        try
        {
            using var client = await server.ConnectAsync();
            Assert.That(await client.EndsInResetAsync(), Is.True);
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            // The reset came before the connect had returned.
        }
    }

    private static string[] Lines(TestServer server) => [.. server.Log.Where(line => line.Contains("handler fault", StringComparison.Ordinal))];
}
