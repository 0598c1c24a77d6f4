using System.Net;

namespace PluginServer.Testing.Tests;

/// <summary>What a client can do to a handler, and what it is told.</summary>
[OverTransports]
internal sealed class ClientTests(PluginTransport transport)
{
    [Test]
    public async Task Segments_reach_the_handler_one_by_one([Values(1, 3)] int size)
    {
        await using var host = await LoadAsync("PiecesHandler");
        await using var client = await host.ConnectAsync(new ClientOptions { SegmentSize = size });
        await client.SendAsync("123456789");
        await client.SendFinAsync();
        Assert.That(await ReadTextAsync(client), Is.EqualTo(string.Join(' ', Enumerable.Repeat(size, 9 / size))));
    }

    [Test]
    public async Task Segments_may_cut_TLS_and_PROXY_headers_too()
    {
        await using var host = await LoadAsync("CountHandler", "\"proxyProtocol\": \"required\"", tls: true);
        await using var client = await host.ConnectAsync(new ClientOptions { SegmentSize = 1, Proxy = ProxyVersion.V2 });
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("1 1 192.0.2.1:50000"));
    }

    [Test]
    public async Task A_PROXY_header_names_the_source([Values(ProxyVersion.V1, ProxyVersion.V2)] ProxyVersion version, [Values("203.0.113.9", "2001:db8::9")] string source)
    {
        await using var host = await LoadAsync("CountHandler", "\"proxyProtocol\": \"required\"");
        var address = new IPEndPoint(IPAddress.Parse(source), 4711);
        await using var client = await host.ConnectAsync(new ClientOptions { Proxy = version, ProxySource = address });
        Assert.That(await client.ReadLineAsync(), Is.EqualTo($"1 1 {address}"));
    }

    [Test]
    public async Task A_client_without_the_header_that_is_required_is_refused()
    {
        await using var host = await LoadAsync("CountHandler", "\"proxyProtocol\": \"required\"");
        await using var client = await host.ConnectAsync();
        await client.SendAsync("no header\r\n\r\n");
        await client.EndAsync();
        await host.WhenLoggedAsync("PROXY");
    }

    [Test]
    public async Task A_client_comes_from_where_it_says()
    {
        await using var host = await LoadAsync("CountHandler", "\"deny\": [\"127.0.0.3/32\"]");
        await using var client = await host.ConnectAsync(new ClientOptions { From = new IPEndPoint(IPAddress.Parse("127.0.0.2"), 0) });
        Assert.That(await client.ReadLineAsync(), Is.EqualTo($"1 1 {client.LocalEndPoint}").And.Contains("127.0.0.2"));
        await using var denied = await host.ConnectAsync(new ClientOptions { From = new IPEndPoint(IPAddress.Parse("127.0.0.3"), 0) });
        await denied.EndAsync();
        Assert.That(host.Connections, Is.EqualTo(1));
    }

    [Test]
    public async Task An_end_is_FIN_when_the_handler_returns_and_a_reset_when_it_fails_or_aborts([Values("return", "fault", "abort")] string how)
    {
        await using var host = await LoadAsync("EndHandler");
        await using var client = await host.ConnectAsync();
        await client.SendAsync(how);
        Assert.That(await client.EndAsync(), Is.EqualTo(how == "return" ? ClientEnd.Fin : ClientEnd.Reset));
        if (how == "return")
        {
            Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"), "what came before the end can be read after it");
            Assert.That(await ReadTextAsync(client), Is.EqualTo("bye"));
        }
        else
        {
            Assert.That(async () => await client.ReadToEndAsync(), Throws.InstanceOf<AssertionException>().With.Message.Contains("has ended (reset)"));
        }

        await host.WhenConnectionsAsync(how == "return" ? 1 : 0);
        if (how == "fault")
        {
            Assert.That(await host.WhenLoggedAsync("as it was told"), Does.StartWith("Error PluginServer: "));
        }

        Assert.That(host.Log.Count(line => line.StartsWith("Error", StringComparison.Ordinal)), Is.EqualTo(how == "fault" ? 1 : 0));
    }

    [Test]
    public async Task A_wait_for_what_cannot_come_any_more_fails_with_what_has_come()
    {
        await using var host = await LoadAsync("EndHandler");
        await using var client = await host.ConnectAsync();
        Assert.That(await client.ReadAsync(2), Is.EqualTo("he"u8.ToArray()));
        await client.SendAsync("return");
        Assert.That(async () => await client.ReadAsync(100), Throws.InstanceOf<AssertionException>().With.Message.EqualTo("Expected 100 bytes, but the connection has ended (FIN); 9 bytes were received, 7 of them not yet read: \"llo\\nbye\"."));
        await client.ReadLineAsync();
        Assert.That(async () => await client.ReadLineAsync(), Throws.InstanceOf<AssertionException>().With.Message.Contains("Expected a line"));
        await client.ReadToEndAsync();
        Assert.That(async () => await client.ReadAsync(1), Throws.InstanceOf<AssertionException>().With.Message.Contains("9 bytes were received, and all were read"));
    }

    [Test]
    public async Task Who_pauses_reading_receives_nothing_until_it_goes_on()
    {
        await using var host = await LoadAsync("CountHandler");
        await using var client = await host.ConnectAsync();
        await client.ReadLineAsync();
        client.PauseReading();
        client.PauseReading();
        var end = client.EndAsync();
        await host.DrainAsync();
        client.ResumeReading();
        client.ResumeReading();
        Assert.That(await end, Is.EqualTo(ClientEnd.Fin));
    }

    [Test]
    public async Task Sending_after_the_end_is_an_IOException()
    {
        await using var host = await LoadAsync("EndHandler");
        await using var client = await host.ConnectAsync();
        await client.SendAsync("abort");
        await client.EndAsync();
        Assert.That(async () => await client.SendAsync("more"), Throws.InstanceOf<IOException>());
    }

    [Test]
    public async Task TLS_is_spoken_by_default_where_the_host_has_it_and_plain_text_is_refused()
    {
        await using var host = await LoadAsync("CountHandler", tls: true);
        await using var client = await host.ConnectAsync(new ClientOptions { HostName = "example.org" });
        Assert.That(await client.ReadLineAsync(), Does.StartWith("1 1 "));
        await using var plain = await host.ConnectAsync(new ClientOptions { Tls = false });
        await plain.SendAsync("plain\n");
        await plain.EndAsync();
        Assert.That(host.Connections, Is.EqualTo(1));
        await client.SendFinAsync();
        Assert.That(await client.EndAsync(), Is.EqualTo(ClientEnd.Fin));
    }

    [Test]
    public async Task Who_is_turned_away_before_the_handshake_learns_of_it()
    {
        await using var host = await LoadAsync("CountHandler", "\"deny\": [\"127.0.0.0/8\"]", tls: true);
        Assert.That(async () => await host.ConnectAsync(), Throws.InstanceOf<IOException>());
    }

    [Test]
    public async Task Segments_that_the_handler_does_not_read_are_waited_for_up_to_the_deadline()
    {
        Assume.That(transport, Is.Not.EqualTo(PluginTransport.Memory), "in memory sending does not wait for the handler");
        await using var host = await LoadAsync("EndHandler");
        await using var client = await host.ConnectAsync(new ClientOptions { SegmentSize = 4 });
        await client.SendAsync("stay");
        Assert.That((await client.ReadLineAsync(), await client.ReadLineAsync()), Is.EqualTo(("hello", "staying")));
        Patience.Shorten(TimeSpan.FromSeconds(2));
        Assert.That(async () => await client.SendAsync("more"), Throws.InstanceOf<AssertionException>().With.Message.EqualTo("After 2 s: the host has not taken all of 4 bytes; 14 bytes were received, and all were read."));
    }

    [Test]
    public async Task TLS_where_the_endpoint_has_none_is_a_mistake_of_the_test()
    {
        await using var host = await LoadAsync("CountHandler");
        Assert.That(async () => await host.ConnectAsync(new ClientOptions { Tls = true }), Throws.InvalidOperationException.With.Message.Contains("Tls = true"));
    }

    [Test]
    public async Task What_does_not_come_fails_after_its_deadline_with_what_has_come()
    {
        await using var host = await LoadAsync("EndHandler");
        await using var client = await host.ConnectAsync();
        await client.ReadAsync(1);
        Patience.Shorten(TimeSpan.FromSeconds(2));
        var (inside, logged) = (host.WhenConnectionsAsync(7), host.WhenLoggedAsync("no such line"));
        Assert.That(async () => await client.ReadToEndAsync(), Throws.InstanceOf<AssertionException>().With.Message.EqualTo("After 2 s: FIN has not come; 6 bytes were received, 5 of them not yet read: \"ello\\n\"."));
        Assert.That(async () => await inside, Throws.InstanceOf<AssertionException>().With.Message.EqualTo("After 2 s: 1 connections are inside, not 7."));
        Assert.That(async () => await logged, Throws.InstanceOf<AssertionException>().With.Message.Contains("no line with \"no such line\" was logged, but: Information PluginServer: Plugin Kit"));
    }

    private static async Task<string> ReadTextAsync(TestClient client) => System.Text.Encoding.UTF8.GetString(await client.ReadToEndAsync());

    private Task<PluginHost> LoadAsync(string handler, string? endpoint = null, bool tls = false) =>
        PluginHost.LoadAsync(Scratch.Fixture("Kit"), new PluginHostOptions { Handler = handler, Transport = transport, Endpoint = endpoint, Tls = tls });
}
