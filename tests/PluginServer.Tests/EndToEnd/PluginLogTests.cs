using System.Diagnostics;
using Newtonsoft.Json.Linq;
using PluginServer.Diagnostics;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>What a plugin logs: with what it is about, and from which level on.</summary>
internal sealed class PluginLogTests
{
    private const string Endpoint = """[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Services", "handler": "TalkativeHandler" } ]""";

    [Test]
    public async Task Each_line_bears_endpoint_plugin_generation_and_connection_and_the_level_changes_live()
    {
        using var workspace = new Workspace().With("Services").Configure(Endpoint);
        using var host = await HostProcess.StartAsync(workspace, "--log-format", "json");
        using var client = await host.ConnectAsync("test");
        await SayAsync(client, "one");
        await Deadline.UntilAsync(() => Said(host, "Information", "one") is not null, "the line is there");
        Assert.That(Said(host, "Debug", "one"), Is.Null, "Information is the default");
        var scope = Said(host, "Information", "one")!["Scopes"]!.Single(scope => scope["Plugin"] is not null);
        Assert.That(((string?)scope["Endpoint"], (string?)scope["Plugin"], (int)scope["Generation"]!, (long)scope["Connection"]!), Is.EqualTo(("test", "Services", 1, 1L)));

        workspace.Configure(Endpoint, """{ "Services": { "logLevel": "Debug" } }""");
        await host.CallAsync(HttpMethod.Post, "/api/reload");
        await SayAsync(client, "two");
        await Deadline.UntilAsync(() => Said(host, "Debug", "two") is not null && Said(host, "Information", "two") is not null, "both are there, from the connection that was inside");

        workspace.Configure(Endpoint, """{ "Services": { "logLevel": "None" } }""");
        await host.CallAsync(HttpMethod.Post, "/api/reload");
        await SayAsync(client, "three");
        await SayAsync(client, "four");
        Assert.That(Said(host, "Information", "three"), Is.Null);
        Assert.That((int)(await host.StatusAsync())["plugins"]![0]!["generations"]![0]!["number"]!, Is.EqualTo(1), "no new generation for it");
    }

    [Test]
    public async Task Two_connections_at_once_are_told_apart()
    {
        using var workspace = new Workspace().With("Services").Configure(Endpoint);
        using var host = await HostProcess.StartAsync(workspace, "--log-format", "json");
        using var first = await host.ConnectAsync("test");
        using var second = await host.ConnectAsync("test");
        await SayAsync(first, "from the first");
        await SayAsync(second, "from the second");
        await SayAsync(first, "again from the first");
        await Deadline.UntilAsync(() => Said(host, "Information", "again from the first") is not null, "all lines are there");
        Assert.That(
            new[] { "from the first", "from the second", "again from the first" }.Select(text => (long)Said(host, "Information", text)!["Scopes"]!.Single(scope => scope["Plugin"] is not null)["Connection"]!),
            Is.EqualTo(new[] { 1L, 2L, 1L }));
    }

    [Test]
    public async Task An_activity_per_connection_is_the_handlers_own_while_somebody_listens()
    {
        await using var server = await TestServer.StartAsync(new Workspace().With("Services").Configure(Endpoint));
        using (var unseen = await server.ConnectAsync())
        {
            await unseen.SendAsync("activity\n");
            Assert.That(await unseen.ReadLineAsync(), Is.EqualTo("none"));
        }

        var ended = new TaskCompletionSource<Activity>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source == server.Server.Instruments.Activities,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = ended.SetResult,
        };
        ActivitySource.AddActivityListener(listener);
        using (var client = await server.ConnectAsync())
        {
            await client.SendAsync("activity\n");
            Assert.That(await client.ReadLineAsync(), Is.EqualTo("pluginserver.connection"));
            client.SendFin();
            await client.ReadToEndAsync();
        }

        var activity = await ended.Task.Within();
        Assert.That(activity.Kind, Is.EqualTo(ActivityKind.Server));
        Assert.That(activity.Status, Is.EqualTo(ActivityStatusCode.Unset));
        var tags = activity.TagObjects.ToDictionary();
        Assert.That((tags[Tag.EndpointName], tags[Tag.PluginName], tags[Tag.GenerationNumber], tags["network.peer.address"], tags["pluginserver.received"], tags["pluginserver.sent"]), Is.EqualTo(("test", "Services", 1, "127.0.0.1", 9L, 24L)));
        Assert.That(Activity.Current?.OperationName, Is.Not.EqualTo("pluginserver.connection"));
    }

    private static async Task SayAsync(Client client, string text)
    {
        await client.SendAsync($"{text}\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("said"));
    }

    private static JObject? Said(HostProcess host, string level, string text) => host.Output.Split('\n')
        .Where(line => line.StartsWith('{'))
        .Select(JObject.Parse)
        .FirstOrDefault(line => (string?)line["LogLevel"] == level && (string?)line["Message"] == $"heard {text}");
}
