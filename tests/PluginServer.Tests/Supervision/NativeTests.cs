using System.Runtime.Loader;
using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>A plugin that brings a native library (SQLite) is swapped like any other.</summary>
internal sealed class NativeTests
{
    private const int Swaps = 20;

    private readonly Workspace _workspace = new();

    /// <summary>The build output holds the library for some twenty systems, whose copying is not what is tested; one is left.</summary>
    [SetUp]
    public void Fill()
    {
        _workspace.With("Native").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Native" } ]""");
        var library = ResolvedLibrary;
        foreach (var other in Directory.EnumerateFiles(Runtimes, "*", SearchOption.AllDirectories).Where(file => file != library).ToList())
        {
            File.Delete(other);
        }
    }

    [Test]
    public async Task Twenty_swaps_of_a_plugin_with_a_native_library_each_answer_and_leave_only_the_last()
    {
        Version("0");
        await using var server = await TestServer.StartAsync(_workspace);
        using var first = await server.ConnectAsync();
        await AssertAnswersAsync(first, "0");
        var replaced = new List<PluginGeneration>();
        for (var swap = 1; swap <= Swaps; swap++)
        {
            replaced.Add(server.Server.Generations[0]);
            Version($"{swap}");
            Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
            using var one = await server.ConnectAsync();
            using var other = await server.ConnectAsync();
            await AssertAnswersAsync(one, $"{swap}");
            await AssertAnswersAsync(other, $"{swap}");
        }

        await AssertAnswersAsync(first, "0");
        first.SendFin();
        Assert.That(await first.ReadTextToEndAsync(), Is.Empty);
        await AssertGoneAsync(replaced);
        using var last = await server.ConnectAsync();
        await AssertAnswersAsync(last, $"{Swaps}");
        Assert.That(server.Endpoint().Counters.HandlerFaults, Is.Zero);
        Assert.That(replaced, Has.Count.EqualTo(Swaps));
    }

    [Test]
    public async Task Generations_of_one_build_share_its_library()
    {
        Version("one");
        await using var server = await TestServer.StartAsync(_workspace);
        var first = server.Server.Generations[0];
        using var old = await server.ConnectAsync();
        await AssertAnswersAsync(old, "one");

        // New settings, the same build: the one generation goes while the other is in the library.
        _workspace.Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Native" } ]""", """{ "Native": { "settings": { "a": 1 } } }""");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        using var fresh = await server.ConnectAsync();
        await AssertAnswersAsync(fresh, "one");
        old.SendFin();
        var second = server.Server.Generations[0];
        await AssertGoneAsync([first]);
        await AssertAnswersAsync(fresh, "one");
        fresh.SendFin();

        Version("two");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        using var last = await server.ConnectAsync();
        await AssertAnswersAsync(last, "two");
        await AssertGoneAsync([second]);
    }

    [Test]
    public async Task A_library_that_is_not_in_the_deps_json_is_found_beside_the_main_dll()
    {
        Version("beside");
        var library = ResolvedLibrary;
        File.Move(library, Path.Combine(_workspace.PluginFolder("Native"), Path.GetFileName(library)));
        Directory.Delete(Runtimes, recursive: true);
        File.Delete(Path.Combine(_workspace.PluginFolder("Native"), "Native.deps.json"));
        await using var server = await TestServer.StartAsync(_workspace);
        using var client = await server.ConnectAsync();
        await AssertAnswersAsync(client, "beside");
        client.SendFin();
        Version("again");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        using var last = await server.ConnectAsync();
        await AssertAnswersAsync(last, "again");
        await AssertGoneAsync([server.Server.Generations[1]]);
    }

    [Test]
    public async Task What_holds_a_generation_is_looked_for_in_its_dependencies_where_it_has_nothing_of_its_own()
    {
        var time = new SkippingTime();
        File.WriteAllText(Path.Combine(_workspace.PluginFolder("Native"), "careless.txt"), "yes");
        await using var server = await TestServer.StartAsync(_workspace, time);
        using (var client = await server.ConnectAsync())
        {
            await AssertAnswersAsync(client, "none");
        }

        Version("two");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        var old = server.Server.Generations[1];
        await Deadline.UntilAsync(() => old.State == GenerationState.Unloading, "unloading");
        time.Skip(PluginGeneration.LeakAfter);
        await Deadline.UntilAsync(() => old.State is GenerationState.Leaked or GenerationState.Unloaded, "decided");
        Assert.That(old.Leak, Does.Contain("an AppDomain event that is not unsubscribed (System.AppDomain.add_ProcessExit) in Microsoft.Data.Sqlite.dll").And.Contain("a timer that is not disposed (System.Threading.Timer) in Microsoft.Data.Sqlite.dll"));
    }

    [Test]
    public async Task Check_finds_nothing_to_say_about_it()
    {
        _workspace.With("Native");
        var (exitCode, _, error) = await Cli.RunAsync("check", "--config", _workspace.ConfigFile);
        Assert.That(error, Is.Empty);
        Assert.That(exitCode, Is.Zero);
    }

    private string Runtimes => Path.Combine(_workspace.PluginFolder("Native"), "runtimes");

    private string ResolvedLibrary => new AssemblyDependencyResolver(Path.Combine(_workspace.PluginFolder("Native"), "Native.dll")).ResolveUnmanagedDllToPath("e_sqlite3")!;

    private void Version(string version) => File.WriteAllText(Path.Combine(_workspace.PluginFolder("Native"), "version.txt"), version);

    private static async Task AssertAnswersAsync(Client client, string version)
    {
        await client.SendAsync("hello\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo($"{version} HELLO 5 1"));
    }

    private static async Task AssertGoneAsync(List<PluginGeneration> replaced)
    {
        await Deadline.UntilAsync(() => replaced.TrueForAll(generation => generation.State is GenerationState.Unloaded or GenerationState.Leaked), "every replaced generation is gone");
        Assert.That(replaced.Select(generation => generation.Leak), Is.All.Null);
    }
}
