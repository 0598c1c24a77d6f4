using System.Net;
using Newtonsoft.Json.Linq;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Hosts that are started with the first client, and listen on what was opened for them.</summary>
[Platform("Linux")]
internal sealed class SystemdTests
{
    private const string Web = """{ "name": "web", "systemd": "web", "plugin": "Echo" }""";
    private const string Other = """{ "name": "other", "address": "127.0.0.1", "port": 0, "plugin": "Echo" }""";
    private readonly Workspace _workspace = new();
    private readonly IPEndPoint _address = SocketActivation.FreeAddress();

    [SetUp]
    public async Task Fill()
    {
        if (await Tools.MissingAsync(SocketActivation.Tool) is { } why)
        {
            Assert.Ignore(why);
        }

        _workspace.With("Echo");
    }

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [Test]
    public async Task The_first_client_starts_the_host_and_is_served()
    {
        _workspace.Configure($"[ {Web} ]");
        var (host, client) = await StartAsync();
        using (host)
        {
            using (client)
            {
                Assert.That(await EchoAsync(client, "first"), Is.EqualTo("first"));
                using var second = await Client.ConnectAsync(_address);
                Assert.That(await EchoAsync(second, "second"), Is.EqualTo("second"));
                var endpoint = (await host.StatusAsync())["endpoints"]!.Single();
                Assert.That(((string?)endpoint["address"], (int)endpoint["port"]!, (int)endpoint["activeConnections"]!), Is.EqualTo(("systemd:web", _address.Port, 2)));
                Assert.That(host.Output, Does.Contain("Endpoint web listens on systemd:web for Echo.EchoHandler"));
            }

            host.Signal("TERM");
            Assert.That(await host.ExitAsync(), Is.Zero, host.Output);
        }
    }

    [Test]
    public async Task A_name_that_was_not_passed_is_refused_at_the_start()
    {
        _workspace.Configure($"[ {Web} ]");
        await AssertRefusedAsync(
            SocketActivation.Becoming((_address, "echo"), (SocketActivation.FreeAddress(), "kv")),
            "systemd passed no socket named 'web'; it passed: echo, kv");
    }

    [Test]
    public async Task A_launcher_in_between_is_told_that_it_must_not_be()
    {
        _workspace.Configure($"[ {Web} ]");
        await AssertRefusedAsync(SocketActivation.Launching((_address, "web")), "; ExecStart= must start it without a shell or launcher between, or by \"exec\"");
    }

    [Test]
    public async Task Without_systemd_the_start_is_refused()
    {
        _workspace.Configure($"[ {Web} ]");
        var (code, _, error) = await HostProcess.RunAsync(_workspace.Root, "run");
        Assert.That((code, error.TrimEnd()), Is.EqualTo((1, Error("no sockets were passed by systemd: LISTEN_FDS is not set; start it by its .socket unit"))));
    }

    [Test]
    public async Task An_edit_to_a_name_that_was_not_passed_is_rejected_and_nothing_is_lost()
    {
        _workspace.Configure($"[ {Web} ]");
        var (host, inside) = await StartAsync();
        using (host)
        using (inside)
        {
            Assert.That(await EchoAsync(inside, "before"), Is.EqualTo("before"));
            _workspace.Configure("""[ { "name": "web", "systemd": "shop", "plugin": "Echo" } ]""");
            var outcome = await ReloadAsync(host);
            Assert.That((bool)outcome["accepted"]!, Is.False);
            Assert.That((string?)outcome["errors"]!.Single()["message"], Is.EqualTo("systemd passed no socket named 'shop'; it passed: web"));
            Assert.That((string?)(await host.StatusAsync())["config"]!["state"], Is.EqualTo("rejected"));
            Assert.That(await EchoAsync(inside, "after"), Is.EqualTo("after"));
            using var next = await Client.ConnectAsync(_address);
            Assert.That(await EchoAsync(next, "next"), Is.EqualTo("next"));
        }
    }

    [Test]
    public async Task Who_comes_while_an_edit_has_taken_the_endpoint_away_is_served_when_another_one_brings_it_back()
    {
        _workspace.Configure($"[ {Web}, {Other} ]");
        var (host, inside) = await StartAsync();
        using (host)
        using (inside)
        {
            Assert.That(await EchoAsync(inside, "before"), Is.EqualTo("before"));
            for (var round = 1; round <= 3; round++)
            {
                _workspace.Configure($"[ {Other} ]");
                Assert.That((bool)(await ReloadAsync(host))["accepted"]!, Is.True);
                await Deadline.UntilAsync(() => host.Output.Split("Endpoint web on systemd:web is removed; 0 connections were cut").Length > round, () => $"it is removed\n{host.Output}");
                var waiting = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => Client.ConnectAsync(_address)));
                foreach (var client in waiting)
                {
                    await client.SendAsync("waits\n");
                }

                Assert.That((await host.StatusAsync())["endpoints"]!.Select(endpoint => (string?)endpoint["name"]), Is.EqualTo(new[] { "other" }));
                _workspace.Configure($"[ {Web}, {Other} ]");
                Assert.That((bool)(await ReloadAsync(host))["accepted"]!, Is.True);
                foreach (var client in waiting)
                {
                    Assert.That(await client.ReadLineAsync(), Is.EqualTo("waits"));
                    Assert.That(await EchoAsync(client, "and goes on"), Is.EqualTo("and goes on"));
                    client.Dispose();
                }
            }

            Assert.That(await inside.ReadTextToEndAsync(), Is.Empty, "asked to finish by the first removal, and not reset");
        }
    }

    private static async Task<string> EchoAsync(Client client, string text)
    {
        await client.SendAsync(text + "\n");
        return await client.ReadLineAsync();
    }

    private static Task<JObject> ReloadAsync(HostProcess host) => host.CallAsync(HttpMethod.Post, "/api/reload");

    /// <summary>A host that serves, and the client that has started it.</summary>
    private async Task<(HostProcess Host, Client First)> StartAsync()
    {
        var host = HostProcess.Launch(_workspace, SocketActivation.Becoming((_address, "web")));
        var client = await SocketActivation.ConnectAsync(_address);
        await host.ServingAsync();
        return (host, client);
    }

    private async Task AssertRefusedAsync(string[] wrapper, string message)
    {
        using var host = HostProcess.Launch(_workspace, wrapper);
        using var client = await SocketActivation.ConnectAsync(_address);
        Assert.That(await host.ExitAsync(), Is.EqualTo(1), host.Output);
        await Deadline.UntilAsync(() => host.Output.Contains("endpoints[0].systemd: ", StringComparison.Ordinal), () => host.Output);
        Assert.That(host.Output, Does.Contain(message));
        Assert.That(await client.EndsInResetAsync(), Is.True, "nobody holds the socket any more");
    }

    /// <summary>Of a host that is started in the folder of the file.</summary>
    private string Error(string message)
    {
        var lines = File.ReadAllLines(_workspace.ConfigFile);
        var line = Array.FindIndex(lines, text => text.Contains("\"systemd\": ", StringComparison.Ordinal));
        var column = lines[line].IndexOf("\"systemd\": ", StringComparison.Ordinal) + "\"systemd\": ".Length + 1;
        return $"plugins.json:{line + 1}:{column}: endpoints[0].systemd: {message}";
    }
}
