using System.Net.Sockets;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using PluginServer.Administration;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>Who is connected, as a program is told of it, and how one is cut.</summary>
[Platform(Exclude = "Win")]
internal sealed class ConnectionsCallTests
{
    [Test]
    public async Task The_list_has_the_shape_that_programs_rely_on()
    {
        await using var face = await StartAsync(2);
        var (status, body, response) = await face.SendAsync(HttpMethod.Get, "/api/connections");
        Assert.That(status, Is.EqualTo(200));
        Assert.That(Total(response), Is.EqualTo("2"));
        Assert.That(JArray.Parse(body).ToString(Formatting.None), Is.EqualTo(
            """[{"id":1,"endpoint":"echo","remoteAddress":"127.0.0.1:1","plugin":"Echo","generation":2,"age":"1.02:03:04","idle":"00:00:59","bytesReceived":5000000000,"bytesSent":6},"""
            + """{"id":2,"endpoint":"other","remoteAddress":"unix","plugin":"Echo","generation":2,"age":"1.02:03:04","idle":null,"bytesReceived":5000000000,"bytesSent":6}]"""));
    }

    [TestCase("", 1000, "2000")]
    [TestCase("?limit=3", 3, "2000")]
    [TestCase("?limit=5000", 2000, "2000")]
    [TestCase("?endpoint=other", 1000, "1000")]
    [TestCase("?endpoint=other&limit=2", 2, "1000")]
    public async Task It_is_for_one_endpoint_or_all_and_as_long_as_asked_for(string query, int length, string total)
    {
        await using var face = await StartAsync(2000);
        var (status, body, response) = await face.SendAsync(HttpMethod.Get, "/api/connections" + query);
        Assert.That((status, JArray.Parse(body).Count, Total(response)), Is.EqualTo((200, length, total)));
        Assert.That(JArray.Parse(body).All(connection => !query.Contains("other", StringComparison.Ordinal) || (string?)connection["endpoint"] == "other"));
    }

    [TestCase("?limit=0", 400, "limit is \"0\"; it must be a whole number from 1 on")]
    [TestCase("?limit=-1", 400, "limit is \"-1\"; it must be a whole number from 1 on")]
    [TestCase("?limit=", 400, "limit is \"\"; it must be a whole number from 1 on")]
    [TestCase("?limit=many", 400, "limit is \"many\"; it must be a whole number from 1 on")]
    [TestCase("?limit=99999999999", 400, "limit is \"99999999999\"; it must be a whole number from 1 on")]
    [TestCase("?endpoint=eco", 404, "there is no endpoint eco; there is echo")]
    [TestCase("?endpoint=", 404, "there is no endpoint ; there is echo")]
    public async Task What_cannot_be_listed_is_refused(string query, int expected, string error)
    {
        await using var face = await StartAsync(0);
        var (status, body, _) = await face.SendAsync(HttpMethod.Get, "/api/connections" + query);
        Assert.That((status, (string?)JObject.Parse(body)["error"]), Is.EqualTo((expected, error)));
    }

    [Test]
    public async Task Those_of_an_endpoint_that_was_removed_are_found_by_its_name()
    {
        await using var face = await StartAsync(2);
        Assert.That((await face.SendAsync(HttpMethod.Get, "/api/connections?endpoint=other")).Status, Is.EqualTo(200));
    }

    [Test]
    public async Task A_connection_is_listed_from_its_first_byte_to_its_last([Values("epoll", "sockets")] string transport, [Values("127.0.0.1", "*")] string address)
    {
        await using var site = await StartAsync(transport, address);
        Assert.That(await site.ConnectionsAsync(), Is.Empty);
        using var client = await site.Host.ConnectAsync();
        await EchoAsync(client, "hello\n");
        var listed = await site.ConnectionsAsync();
        Assert.That(listed, Has.Count.EqualTo(1));
        Assert.That((string?)listed[0]["remoteAddress"], Is.EqualTo($"{client.Socket.LocalEndPoint}"));
        Assert.That((string?)listed[0]["endpoint"], Is.EqualTo("test"));
        Assert.That((string?)listed[0]["plugin"], Is.EqualTo("Echo"));
        Assert.That(((int)listed[0]["generation"]!, (long)listed[0]["bytesReceived"]!), Is.EqualTo((1, 6L)));
        await Deadline.UntilAsync(async () => (long)(await site.ConnectionsAsync())[0]["bytesSent"]! == 6, "an answer may arrive before it is counted");
        Assert.That((TimeSpan)listed[0]["age"]!, Is.InRange(TimeSpan.Zero, Deadline.Length));
        Assert.That((TimeSpan)listed[0]["idle"]!, Is.LessThanOrEqualTo((TimeSpan)listed[0]["age"]!));

        using var second = await site.Host.ConnectAsync();
        await EchoAsync(second, "hello\n");
        listed = await site.ConnectionsAsync("?endpoint=test");
        Assert.That(listed.Select(connection => (long)connection["id"]!), Is.Ordered.And.Unique.And.Exactly(2).Items);
        client.Dispose();
        await Deadline.UntilAsync(async () => (await site.ConnectionsAsync()).Count == 1, "who has gone is not listed");
    }

    [Test]
    public async Task Age_grows_and_idle_grows_in_silence_and_falls_when_a_byte_moves([Values("epoll", "sockets")] string transport)
    {
        if (!OperatingSystem.IsLinux())
        {
            Assert.Ignore("only Linux says how long a connection has been silent");
        }

        await using var site = await StartAsync(transport);
        using var client = await site.Host.ConnectAsync();
        await EchoAsync(client, "hello\n");
        var calls = AdminCalls.Of(site.Host.Server, site.Host.Reloader);
        ConnectionStatus Look() => calls.Connections("test", 1).Connections.Single();
        for (var round = 0; round < 3; round++)
        {
            var first = Look();
            var later = first;
            await Deadline.UntilAsync(() => (later = Look()).Idle > TimeSpan.FromMilliseconds(200), "idle grows");
            Assert.That(later.Age, Is.GreaterThan(first.Age));
            Assert.That(later.Idle, Is.LessThanOrEqualTo(later.Age));
            await EchoAsync(client, "x");
            Assert.That(Look().Idle, Is.LessThan(later.Idle), "and falls");
            Assert.That(Look().BytesReceived, Is.EqualTo(later.BytesReceived + 1));
        }
    }

    [Test]
    public async Task A_client_on_a_Unix_socket_has_no_address_and_no_idle_time()
    {
        var workspace = new Workspace().With("Echo");
        workspace.Configure($$"""[ { "name": "test", "unix": "{{workspace.Root}}/echo.sock", "plugin": "Echo" } ]""");
        await using var site = await AdminSite.OfAsync(await TestServer.StartAsync(workspace));
        using var client = await Client.ConnectAsync(new UnixDomainSocketEndPoint($"{workspace.Root}/echo.sock"));
        await EchoAsync(client, "hello\n");
        var listed = (await site.ConnectionsAsync()).Single();
        Assert.That((string?)listed["remoteAddress"], Is.EqualTo("unix"));
        Assert.That(listed["idle"]!.Type, Is.EqualTo(JTokenType.Null));
        var id = (long)listed["id"]!;
        Assert.That((await site.SendAsync(HttpMethod.Delete, $"/api/connections/{id}")).Status, Is.EqualTo(200));
        Assert.That(site.Host.Log.Single(line => line.Contains("by an operator", StringComparison.Ordinal)), Is.EqualTo($"Information 223: Endpoint test: connection {id} from unix was cut by an operator"));
        Assert.That(site.Host.Server.Events.Last.Single(happened => happened.Kind == HostEventKind.Cut).Text, Is.EqualTo($"connection {id} from unix, by an operator"));
    }

    [Test]
    public async Task One_that_is_cut_ends_in_a_reset_one_line_an_event_and_a_count([Values("epoll", "sockets")] string transport)
    {
        await using var site = await StartAsync(transport);
        using var beside = await site.Host.ConnectAsync();
        using var client = await site.Host.ConnectAsync();
        await EchoAsync(beside, "hello\n");
        await EchoAsync(client, "hello\n");
        var id = (long)(await site.ConnectionsAsync()).Single(connection => (string?)connection["remoteAddress"] == $"{client.Socket.LocalEndPoint}")["id"]!;
        var (status, json) = await site.SendAsync(HttpMethod.Delete, $"/api/connections/{id}");
        Assert.That((status, json.ToString(Formatting.None)), Is.EqualTo((200, $$"""{"id":{{id}},"endpoint":"test","cut":true}""")));
        Assert.That(await client.EndsInResetAsync(), Is.True);
        Assert.That((await site.SendAsync(HttpMethod.Delete, $"/api/connections/{id}")).Status, Is.EqualTo(404), "once");
        Assert.That(site.Host.Log.Where(line => line.Contains("by an operator", StringComparison.Ordinal)), Is.EqualTo([$"Information 223: Endpoint test: connection {id} from {client.Socket.LocalEndPoint} was cut by an operator"]));
        var happened = site.Host.Server.Events.Last.Single(happened => happened.Kind == HostEventKind.Cut);
        Assert.That((happened.Endpoint, happened.Plugin, happened.Generation, happened.Text), Is.EqualTo(("test", "Echo", 1, $"connection {id} from {client.Socket.LocalEndPoint}, by an operator")));
        await Deadline.UntilAsync(() => site.Host.Endpoint().Counters.Cut == 1, "counted as cut");
        Assert.That(site.Host.Endpoint().Counters.HandlerFaults, Is.Zero);
        await EchoAsync(beside, "still here\n");
    }

    [Test]
    public async Task One_whose_handler_does_not_return_is_cut_once()
    {
        await using var site = await AdminSite.OfAsync(await TestServer.StartAsync("Behaviours", "StubbornHandler"));
        using var client = await site.Host.ConnectAsync();
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
        var id = (long)(await site.ConnectionsAsync()).Single()["id"]!;
        Assert.That((await site.SendAsync(HttpMethod.Delete, $"/api/connections/{id}")).Status, Is.EqualTo(200));
        Assert.That(await client.EndsInResetAsync(), Is.True);
        Assert.That((await site.SendAsync(HttpMethod.Delete, $"/api/connections/{id}")).Status, Is.EqualTo(404));
        Assert.That(site.Host.Server.Events.Last.Count(happened => happened.Kind == HostEventKind.Cut), Is.EqualTo(1));
    }

    private static async Task<AdminFace> StartAsync(int connections)
    {
        var face = await AdminFace.StartAsync();
        face.Connections = [.. Enumerable.Range(1, connections).Select(id => new ConnectionStatus(id, id % 2 == 1 ? "echo" : "other", id % 2 == 1 ? $"127.0.0.1:{id}" : "unix", "Echo", 2, new TimeSpan(1, 2, 3, 4, 900), id % 2 == 1 ? TimeSpan.FromSeconds(59.9) : null, 5_000_000_000, 6))];
        return face;
    }

    private static async Task<AdminSite> StartAsync(string transport, string address = "127.0.0.1")
    {
        if (transport == "epoll" && !OperatingSystem.IsLinux())
        {
            Assert.Ignore("epoll is of Linux");
        }

        return await AdminSite.OfAsync(await TestServer.StartAsync(
            new Workspace().With("Echo").Configure($$"""[ { "name": "test", "address": "{{address}}", "port": 0, "plugin": "Echo" } ]"""),
            transport: Transports.OfSystem(TimeProvider.System, new SystemdSockets([])).For(Enum.Parse<TransportKind>(transport, ignoreCase: true))));
    }

    private static string Total(HttpResponseMessage response) => response.Headers.GetValues("X-Total-Count").Single();

    private static async Task EchoAsync(Client client, string text)
    {
        await client.SendAsync(text);
        var answer = new byte[text.Length];
        for (var read = 0; read < answer.Length;)
        {
            var count = await client.Socket.ReceiveAsync(answer.AsMemory(read), Deadline.Token);
            Assert.That(count, Is.GreaterThan(0), "FIN");
            read += count;
        }
    }
}
