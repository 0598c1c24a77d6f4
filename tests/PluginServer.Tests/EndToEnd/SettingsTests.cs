using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Who sees which settings, and which version of a dependency.</summary>
internal sealed class SettingsTests
{
    [Test]
    public async Task Two_endpoints_of_one_plugin_each_see_their_own_and_the_services_see_the_plugins()
    {
        await using var server = await TestServer.StartAsync(new Workspace().With("Settings").Configure(
            """
            [ { "name": "one", "address": "127.0.0.1", "port": 0, "plugin": "Settings", "handler": "GreetingHandler",
                "settings": { "greeting": "hi", "volume": "Loud", "times": 2, "names": [ "a", "b" ], "weights": { "x": 1 }, "limits": { "maximum": 5000000000 }, "pause": "00:00:01" } },
              { "name": "two", "address": "127.0.0.1", "port": 0, "plugin": "Settings", "handler": "GreetingHandler", "settings": { "greeting": "bye" } },
              { "name": "defaults", "address": "127.0.0.1", "port": 0, "plugin": "Settings", "handler": "GreetingHandler" },
              { "name": "point", "address": "127.0.0.1", "port": 0, "plugin": "Settings", "handler": "PointHandler", "settings": { "x": 3, "y": -4 } } ]
            """,
            """{ "Settings": { "settings": { "house": "the red one" } } }"""));
        Assert.That(await AnswerAsync(server, "one"), Is.EqualTo("HI HI|a,b|x=1|5000000000|00:00:01|the red one"));
        Assert.That(await AnswerAsync(server, "two"), Is.EqualTo("bye|||0|00:00:00|the red one"));
        Assert.That(await AnswerAsync(server, "defaults"), Is.EqualTo("hello|||0|00:00:00|the red one"));
        Assert.That(await AnswerAsync(server, "point"), Is.EqualTo("3/-4"));
        Assert.That(server.Server.Generations, Has.Count.EqualTo(1), "one container for all endpoints of a plugin");
    }

    [Test]
    public async Task Two_plugins_with_two_versions_of_one_private_dependency_each_report_their_own()
    {
        await using var server = await TestServer.StartAsync(new Workspace().With("VersionOne", "VersionTwo").Configure("""
            [ { "name": "one", "address": "127.0.0.1", "port": 0, "plugin": "VersionOne" },
              { "name": "two", "address": "127.0.0.1", "port": 0, "plugin": "VersionTwo" } ]
            """));
        Assert.That(await AnswerAsync(server, "one"), Is.EqualTo("1.0.0"));
        Assert.That(await AnswerAsync(server, "two"), Is.EqualTo("2.0.0"));
    }

    private static async Task<string> AnswerAsync(TestServer server, string endpoint)
    {
        using var client = await server.ConnectAsync(endpoint);
        return await client.ReadTextToEndAsync();
    }
}
