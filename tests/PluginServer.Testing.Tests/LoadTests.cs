namespace PluginServer.Testing.Tests;

/// <summary>What can be loaded, by which names, and what is said of what cannot.</summary>
internal sealed class LoadTests
{
    private readonly Scratch _scratch = new();

    [TearDown]
    public void Remove() => _scratch.Dispose();

    [Test]
    public async Task A_folder_of_any_name_and_a_dll_are_builds()
    {
        var folder = _scratch.Copy("Kit", "bin/Debug");
        foreach (var path in new[] { folder, folder + Path.DirectorySeparatorChar, Path.Combine(folder, "Kit.dll"), Scratch.Fixture("Kit") })
        {
            await using var host = await PluginHost.LoadAsync(path, new PluginHostOptions { Handler = "PiecesHandler" });
            await using var client = await host.ConnectAsync();
            await client.SendAsync("abc");
            await client.SendFinAsync();
            Assert.That(await client.ReadToEndAsync(), Is.EqualTo("3"u8.ToArray()), path);
        }
    }

    [Test]
    public async Task What_is_not_there_is_said_with_where_it_was_looked_for()
    {
        Assert.That(await RefusalAsync("no/such/plugin"), Does.StartWith("there is no no/such/plugin in").And.Contains("or a folder above it; build the plugin first, or name its project"));
        var absolute = Path.Combine(_scratch.Root, "none.dll");
        Assert.That(await RefusalAsync(absolute), Is.EqualTo($"there is no {absolute}; build the plugin first, or name its project"));
        Assert.That(async () => await PluginHost.LoadAsync(" "), Throws.InstanceOf<ArgumentException>());
    }

    [Test]
    public async Task What_is_no_plugin_is_said_with_what_to_name()
    {
        var text = _scratch.Write("notes.txt", "");
        Assert.That(await RefusalAsync(text), Is.EqualTo($"{text} is no plugin; name a folder with the plugin's build, its .dll, or its project"));
        var empty = Directory.CreateDirectory(Path.Combine(_scratch.Root, "empty")).FullName;
        Assert.That(await RefusalAsync(empty), Does.StartWith($"{empty} holds no plugin:"));
        _scratch.Write("two/One.dll", "");
        var two = Path.GetDirectoryName(_scratch.Write("two/Two.dll", ""))!;
        Assert.That(await RefusalAsync(two), Does.StartWith($"{two} holds no plugin:"));
    }

    [Test]
    public async Task A_build_that_the_host_refuses_is_refused_with_its_reasons_and_the_paths_of_the_test()
    {
        Assert.That(await RefusalAsync(Scratch.Fixture("NoHandler")), Does.Contain("endpoints[0].plugin: ").And.Contains("NoHandler").And.Not.Contains("plugin-server-testing-"));
        var folder = _scratch.Copy("Kit", "Kit", "Kit.dll");
        _scratch.Write("Kit/Kit.dll", "no assembly");
        Assert.That(await RefusalAsync(folder), Does.Contain(folder));
    }

    [Test]
    public async Task Of_several_handlers_one_must_be_named()
    {
        Assert.That(await RefusalAsync(Scratch.Fixture("Kit")), Does.Contain("PiecesHandler"));
        Assert.That(await RefusalAsync(Scratch.Fixture("Kit"), new PluginHostOptions { Handler = "NoSuchHandler" }), Does.Contain("endpoints[0].handler: "));
    }

    [Test]
    public async Task Settings_reach_the_plugin_and_its_handler()
    {
        await using var host = await PluginHost.LoadAsync(Scratch.Fixture("Settings"), new PluginHostOptions
        {
            Handler = "GreetingHandler",
            Settings = """{ "greeting": "hi", "times": 2 }""",
            PluginSettings = """{ "house": "here" }""",
        });
        await using var client = await host.ConnectAsync();
        Assert.That(await client.ReadToEndAsync(), Is.EqualTo("hi hi|||0|00:00:00|here"u8.ToArray()));
    }

    [Test]
    public async Task What_is_wrong_with_the_options_is_said_with_the_plugins_json_that_they_make()
    {
        Assert.That(await RefusalAsync("artifacts/plugins/Echo", new PluginHostOptions { Endpoint = "\"idelTimeout\": \"00:00:05\"" }), Does.StartWith("plugins.json:").And.Contains("idleTimeout").And.Contains("The options make this plugins.json:"));
        Assert.That(await RefusalAsync(Scratch.Fixture("Settings"), new PluginHostOptions { Handler = "GreetingHandler", Settings = "{" }), Does.StartWith("plugins.json:"));
        Assert.That(await RefusalAsync(Scratch.Fixture("Settings"), new PluginHostOptions { Handler = "GreetingHandler", Settings = """{ "times": 100 }""" }), Does.Contain("endpoints[0].settings"));
    }

    [Test]
    public async Task A_project_is_built_once_and_anew_when_a_file_of_it_changes()
    {
        var project = _scratch.Project("Built", Handler("one"));
        Assert.That(await AnswerAsync(project), Is.EqualTo("one"));
        Assert.That(await AnswerAsync(Path.GetDirectoryName(project)!), Is.EqualTo("one"), "a folder with one project is that project");
        _scratch.Write("Built/Handler.cs", Handler("other"));
        Assert.That(await AnswerAsync(project), Is.EqualTo("other"));
    }

    [Test]
    public async Task A_project_that_does_not_compile_is_refused_with_the_errors_of_the_compiler()
    {
        var project = _scratch.Project("Broken", "public class Broken : PluginServer.IConnectionHandler { }");
        var error = (await Assert.CatchAsync<PluginHostException>(() => PluginHost.LoadAsync(project)))!;
        Assert.That(error.Errors[0], Is.EqualTo($"{project} does not build:"));
        Assert.That(error.Errors.Skip(1), Has.Some.Contains("error CS0535"));
    }

    [Test]
    public void A_load_can_be_cancelled_while_it_builds()
    {
        var project = _scratch.Project("Cancelled", Handler("never"));
        using var source = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        Assert.That(async () => await PluginHost.LoadAsync(project, cancellationToken: source.Token), Throws.InstanceOf<OperationCanceledException>());
    }

    [Test]
    public async Task Real_time_has_no_virtual_one()
    {
        await using var host = await PluginHost.LoadAsync("artifacts/plugins/Echo", new PluginHostOptions { RealTime = true });
        Assert.That(() => host.Time, Throws.InvalidOperationException);
        await using var client = await host.ConnectAsync();
        await client.SendAsync("real\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo("real"));
        Assert.That(host.Log, Has.Some.Contains("Echo"));
    }

    [Test]
    public async Task A_service_that_never_starts_is_refused_by_the_host_and_not_waited_for()
    {
        Patience.Shorten(TimeSpan.FromSeconds(2));
        var journal = _scratch.Write("journal.txt", "");
        Assert.That(
            await RefusalAsync(Scratch.Fixture("Services"), new PluginHostOptions { Handler = "VisitHandler", PluginSettings = $$"""{ "journal": "{{journal}}", "service": "hangs" }""" }),
            Does.Contain("LifeService").And.Contain("30"));
    }

    private static string Handler(string answer) => $$"""
        public sealed class Handler : PluginServer.IConnectionHandler
        {
            public async Task HandleAsync(PluginServer.Connection connection, CancellationToken draining) =>
                await connection.Output.WriteAsync("{{answer}}\n"u8.ToArray(), draining);
        }
        """;

    private static async Task<string> AnswerAsync(string project)
    {
        await using var host = await PluginHost.LoadAsync(project);
        await using var client = await host.ConnectAsync();
        return await client.ReadLineAsync();
    }

    private static async Task<string> RefusalAsync(string path, PluginHostOptions? options = null) =>
        (await Assert.CatchAsync<PluginHostException>(() => PluginHost.LoadAsync(path, options)))!.Message;
}
