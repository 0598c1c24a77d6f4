namespace PluginServer.Testing.Tests;

// Runs in memory, over sockets and, on Linux, over epoll.
[OverTransports]
public sealed class EchoTests(PluginTransport transport)
{
    [Test]
    public async Task What_comes_in_goes_out()
    {
        // A build, or a project: "plugins/Echo/Echo.csproj".
        await using var host = await PluginHost.LoadAsync("artifacts/plugins/Echo", new PluginHostOptions { Transport = transport });
        await using var client = await host.ConnectAsync();
        await client.SendAsync("hello\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("hello"));
        await host.AssertUnloadsAsync();
    }
}
