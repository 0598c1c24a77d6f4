using System.Reflection;
using NUnit.Framework;
using PluginServer.Testing;

namespace PluginNamespace.Tests;

/// <summary>The plugin in the real host, in this process, with clients in memory.</summary>
public sealed class PluginClassHandlerTests
{
    private const string Greeting = "welcome to PluginName";

    // The project file says where it is.
    private static readonly string PluginDll = typeof(PluginClassHandlerTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(entry => entry.Key == "PluginBuild").Value!;

    [Test]
    public async Task A_client_is_greeted_and_each_line_is_answered()
    {
        await using var host = await PluginHost.LoadAsync(PluginDll);
        await using var client = await host.ConnectAsync();
        Assert.That(await client.ReadLineAsync(), Is.EqualTo(Greeting));
        await client.SendAsync("one\ntwo\r\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("1: one"));
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("2: two"));
    }

    [Test]
    public async Task Bytes_may_come_one_by_one()
    {
        await using var host = await PluginHost.LoadAsync(PluginDll);
        await using var client = await host.ConnectAsync(new ClientOptions { SegmentSize = 1 });
        await client.SendAsync("one\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo(Greeting));
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("1: one"));
    }

    [Test]
    public async Task Who_says_bye_is_told_bye_and_nothing_after()
    {
        await using var host = await PluginHost.LoadAsync(PluginDll);
        await using var client = await host.ConnectAsync();
        await client.SendAsync("bye\nanother\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo(Greeting));
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("bye"));
        Assert.That(await client.ReadToEndAsync(), Is.Empty);
    }

    [Test]
    public async Task A_line_that_is_too_long_ends_the_connection()
    {
        await using var host = await PluginHost.LoadAsync(PluginDll);
        await using var client = await host.ConnectAsync();
        await client.SendAsync(new string('x', 1025) + "\n");
        Assert.That(await client.EndAsync(), Is.EqualTo(ClientEnd.Reset));
    }

    [Test]
    public async Task A_swap_takes_a_connection_along()
    {
        await using var host = await PluginHost.LoadAsync(PluginDll);
        await using var client = await host.ConnectAsync();
        await client.SendAsync("one\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo(Greeting));
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("1: one"));

        using var other = new OtherBuild(PluginDll);
        await host.SwapToAsync(other.PluginDll);
        await client.SendAsync("two\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("2: two"));
        Assert.That(host.Generation, Is.EqualTo(2));
    }

    [Test]
    public async Task A_drain_ends_the_connection_in_order()
    {
        await using var host = await PluginHost.LoadAsync(PluginDll);
        await using var client = await host.ConnectAsync();
        Assert.That(await client.ReadLineAsync(), Is.EqualTo(Greeting));
        await host.DrainAsync();
        Assert.That(await client.EndAsync(), Is.EqualTo(ClientEnd.Fin));
    }

    [Test]
    public async Task The_plugin_can_be_unloaded()
    {
        await using var host = await PluginHost.LoadAsync(PluginDll);
        await using var client = await host.ConnectAsync();
        Assert.That(await client.ReadLineAsync(), Is.EqualTo(Greeting));
        await host.AssertUnloadsAsync();
    }
}
