using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Messages;

/// <summary>A host with one handler of the Messages fixture behind "test", whose build is a text that a test chooses.</summary>
internal sealed class MessageSite : IAsyncDisposable
{
    private readonly Workspace _workspace;
    private readonly string _handler;
    private readonly string _more;

    private MessageSite(TestServer server, Workspace workspace, string handler, string more) => (Server, _workspace, _handler, _more) = (server, workspace, handler, more);

    public TestServer Server { get; }

    public static async Task<MessageSite> StartAsync(string handler, string more = "", TimeProvider? time = null, string transport = "auto", string plugins = "{}")
    {
        var workspace = new Workspace().With("Messages");
        more = $", \"transport\": \"{transport}\"{more}";
        Write(workspace, handler, "1", more, plugins);
        var real = time ?? TimeProvider.System;
        return new MessageSite(await TestServer.StartAsync(workspace, time, transport == "sockets" ? new SocketTransport(real) : null), workspace, handler, more);
    }

    /// <summary>Puts another build in place.</summary>
    public async Task SwapAsync(string build, string plugins = "{}", string? handler = null)
    {
        Write(_workspace, handler ?? _handler, build, _more, plugins);
        var outcome = await Server.Reloader.ReloadAsync().Within();
        Assert.That(outcome.Errors, Is.Empty);
        Assert.That(outcome.Changes, Is.Not.Empty);
    }

    /// <summary>A client that has been welcomed, if it is to be.</summary>
    public async Task<Client> ConnectAsync(string? welcome = null)
    {
        var client = await Server.ConnectAsync();
        if (welcome is not null)
        {
            Assert.That(await client.ReadLineAsync(), Is.EqualTo(welcome));
        }

        return client;
    }

    public static async Task<string> AskAsync(Client client, string line)
    {
        await client.SendAsync(line + "\n");
        return await client.ReadLineAsync();
    }

    /// <summary>Waits until a connection is served by a generation.</summary>
    public Task ServedByAsync(int generation, int connections = 1) => Deadline.UntilAsync(
        () => Server.Endpoint().Connections.All.Count(connection => connection.Generation.Number == generation && !connection.IsAskedToMove) == connections,
        () => $"{connections} served by generation {generation}: {string.Join(", ", Server.Endpoint().Connections.All.Select(connection => $"{connection.Id} by {connection.Generation.Number}"))}");

    public ValueTask DisposeAsync() => Server.DisposeAsync();

    private static void Write(Workspace workspace, string handler, string build, string more, string plugins)
    {
        File.WriteAllText(Path.Combine(workspace.PluginFolder("Messages"), "version.txt"), build);
        workspace.Configure($$"""[{ "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Messages", "handler": "{{handler}}"{{more}} }]""", plugins);
    }
}
