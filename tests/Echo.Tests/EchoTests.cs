using PluginServer.Testing;

namespace PluginServer.Plugins.Echo.Tests;

/// <summary>The plugin as it is deployed, in the real host, over each transport.</summary>
[OverTransports]
internal sealed class EchoTests(PluginTransport transport)
{
    private const string Plugin = "artifacts/plugins/Echo";

    [Test]
    public async Task What_comes_in_goes_out_and_FIN_ends_it()
    {
        await using var host = await LoadAsync();
        await using var client = await host.ConnectAsync();
        await client.SendAsync("hello\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
        await client.SendAsync("again");
        await client.SendFinAsync();
        Assert.That(await client.ReadToEndAsync(), Is.EqualTo("again"u8.ToArray()));
        await host.WhenConnectionsAsync(0);
    }

    [Test]
    public async Task Bytes_that_come_one_by_one_go_out_in_their_order()
    {
        await using var host = await LoadAsync();
        await using var client = await host.ConnectAsync(new ClientOptions { SegmentSize = 1 });
        await client.SendAsync("one by one\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("one by one"));
    }

    [Test]
    public async Task A_slow_reader_is_waited_for_and_gets_every_byte()
    {
        var bytes = new byte[32 << 20];
        new Random(1).NextBytes(bytes);
        await using var host = await LoadAsync("""
            "socket": { "sendBuffer": 65536, "receiveBuffer": 65536 }
            """);
        await using var client = await host.ConnectAsync();
        client.PauseReading();
        var sending = client.SendAsync(bytes);

        // Others are served meanwhile, and the handler of this one reads no more than it can pass on.
        await using (var other = await host.ConnectAsync())
        {
            await other.SendAsync("other\n");
            Assert.That(await other.ReadLineAsync(), Is.EqualTo("other"));
        }

        Assert.That(sending.IsCompleted, Is.False, "the handler has read all that it could not send");
        client.ResumeReading();
        await sending;
        Assert.That((await client.ReadAsync(bytes.Length)).AsSpan().SequenceEqual(bytes));
    }

    [Test]
    public async Task A_reset_of_the_client_is_no_fault_and_the_next_one_is_served()
    {
        await using var host = await LoadAsync();
        await using var client = await host.ConnectAsync();
        await client.SendAsync("a\n");
        await client.ReadLineAsync();
        client.Reset();
        await host.WhenConnectionsAsync(0);
        await using var next = await host.ConnectAsync();
        await next.SendAsync("b\n");
        Assert.That(await next.ReadLineAsync(), Is.EqualTo("b"));
        Assert.That(host.Log, Has.None.StartsWith("Error").And.None.StartsWith("Warning"));
    }

    [Test]
    public async Task A_drain_ends_those_inside_in_order_and_the_next_ones_are_served()
    {
        await using var host = await LoadAsync();
        await using var client = await host.ConnectAsync();
        await client.SendAsync("a\n");
        await client.ReadLineAsync();
        var draining = host.DrainAsync();
        Assert.That(await client.EndAsync(), Is.EqualTo(ClientEnd.Fin));
        await client.SendFinAsync();
        await draining;
        Assert.That(host.Connections, Is.Zero);
        await using var next = await host.ConnectAsync();
        await next.SendAsync("b\n");
        Assert.That(await next.ReadLineAsync(), Is.EqualTo("b"));
    }

    [Test]
    public async Task A_swap_keeps_those_inside_and_both_builds_can_be_unloaded()
    {
        using var build = new OtherBuild(Plugin);
        await using var host = await LoadAsync();
        await using var client = await host.ConnectAsync();
        await client.SendAsync("before\n");
        await client.ReadLineAsync();
        await host.SwapToAsync(build.Folder);
        Assert.That(host.Generation, Is.EqualTo(2));
        await client.SendAsync("after\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("after"));
        await using var next = await host.ConnectAsync();
        await next.SendAsync("new\n");
        Assert.That(await next.ReadLineAsync(), Is.EqualTo("new"));
        Assert.That(host.Connections, Is.EqualTo(2));
        await host.AssertUnloadsAsync();
    }

    [Test]
    public async Task It_speaks_TLS_where_its_endpoint_does()
    {
        await using var host = await PluginHost.LoadAsync(Plugin, new PluginHostOptions { Transport = transport, Tls = true });
        await using var client = await host.ConnectAsync();
        await client.SendAsync("secret\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("secret"));
        await client.SendFinAsync();
        Assert.That(await client.EndAsync(), Is.EqualTo(ClientEnd.Fin));
    }

    private Task<PluginHost> LoadAsync(string? endpoint = null) =>
        PluginHost.LoadAsync(Plugin, new PluginHostOptions { Transport = transport, Endpoint = endpoint });
}
