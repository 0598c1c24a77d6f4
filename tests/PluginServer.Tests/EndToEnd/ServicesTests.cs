using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>The plugin's container: hosted services, scopes, and what the host injects.</summary>
internal sealed class ServicesTests
{
    [Test]
    public async Task A_scope_per_connection_is_disposed_with_it_on_a_reset_too()
    {
        var workspace = new Workspace();
        var journal = Path.Combine(workspace.Root, "journal");
        await using var server = await StartAsync(workspace, journal, "VisitHandler");

        using var first = await server.ConnectAsync();
        Assert.That(await first.ReadLineAsync(), Is.EqualTo("one scope, visit 1"));
        first.SendFin();
        Assert.That(await first.ReadTextToEndAsync(), Is.Empty);
        await server.AssertNothingLeftAsync();

        var second = await server.ConnectAsync();
        Assert.That(await second.ReadLineAsync(), Is.EqualTo("one scope, visit 2"));
        second.Reset();
        await server.AssertNothingLeftAsync();
        Assert.That(server.Log, Has.Some.Contains("visit 1 at "), "the plugin's log reaches the host's");

        await server.StopAsync();
        Assert.That(
            await File.ReadAllLinesAsync(journal),
            Is.EqualTo(new[] { "service started", "handler 1 disposed", "visit 1 disposed", "handler 2 disposed", "visit 2 disposed", "service stopped" }));
    }

    [Test]
    public async Task A_handler_that_asks_only_for_singletons_gets_no_scope()
    {
        var workspace = new Workspace();
        await using var server = await StartAsync(workspace, Path.Combine(workspace.Root, "journal"), "SingletonHandler");
        var binding = server.Endpoint().Slot.Current!;
        var scope = binding.CreateScope();
        Assert.That(scope, Is.Not.Null, "IServiceProvider is per scope");
        Assert.That(binding.Create(scope), Is.Not.Null);
        await ((IAsyncDisposable)scope!).DisposeAsync();

        await using var plain = await TestServer.StartAsync("Settings", "GreetingHandler");
        Assert.That(plain.Endpoint().Slot.Current!.CreateScope(), Is.Null);
    }

    [Test]
    public async Task A_service_that_hangs_in_its_start_is_given_up_at_its_deadline()
    {
        using var workspace = new Workspace();
        var time = new ManualTime();
        var starting = StartAsync(workspace, Path.Combine(workspace.Root, "journal"), "VisitHandler", "hangs", time);
        await Deadline.UntilAsync(() => time.Timers >= 2, "the start waits");
        time.Advance(TimeSpan.FromSeconds(31));
        Assert.That(async () => await starting.Within(), Throws.Exception.With.Message.Contains("LifeService did not start within 30 s"));
    }

    private static Task<TestServer> StartAsync(Workspace workspace, string journal, string handler, string service = "fine", TimeProvider? time = null) =>
        TestServer.StartAsync(
            workspace.With("Services").Configure(
                $$"""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Services", "handler": "{{handler}}" } ]""",
                $$"""{ "Services": { "settings": { "journal": "{{journal}}", "service": "{{service}}" } } }"""),
            time);
}
