using System.Net;
using System.Net.Sockets;
using System.Reflection.PortableExecutable;
using PluginServer.Plugins;
using PluginServer.Supervision;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>What cannot be used changes nothing, says why, and can be undone.</summary>
internal sealed class RefusalTests
{
    private const string Endpoint = """{ "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" }""";

    private readonly Workspace _workspace = new();

    [SetUp]
    public void Fill() => _workspace.With("Swap").Version("one").Configure($"[ {Endpoint} ]");

    [TestCase("empty", "Swap.dll is empty (0 bytes)")]
    [TestCase("half", "Swap.dll is not a .NET assembly, or only half of one")]
    [TestCase("text", "Swap.dll is not a .NET assembly, or only half of one")]
    [TestCase("missing", "Swap.dll is not in ")]
    [TestCase("folder", "there is no folder ")]
    [TestCase("deps", "Swap.deps.json in ")]
    [TestCase("architecture", "Swap.dll was built for ")]
    [TestCase("32 bits", "Swap.dll was built for I386, and this host runs on ")]
    [TestCase("throws", "TroubleService failed to start: InvalidOperationException: the start throws")]
    [TestCase("static", "TroubleService failed to start: static constructor of ")]
    [TestCase("pinned", "and only this one may run")]
    public async Task A_bad_build_leaves_the_old_version_answering_and_a_good_one_then_swaps(string trouble, string expected)
    {
        await using var server = await TestServer.StartAsync(_workspace);
        using var old = await server.ConnectAsync();
        await AssertVersionAsync(old, "one");
        Spoil(trouble);

        var outcome = await server.Reloader.ReloadAsync().Within();
        Assert.That(outcome.Accepted, Is.False);
        Assert.That(outcome.Errors, Has.Count.EqualTo(1));
        Assert.That(outcome.Errors[0].ToString(), Does.StartWith($"{_workspace.ConfigFile}:").And.Contain(expected));
        Assert.That(outcome.Revision, Is.EqualTo(1));
        await AssertVersionAsync(old, "one");
        using (var fresh = await server.ConnectAsync())
        {
            await AssertVersionAsync(fresh, "one");
        }

        Assert.That(server.Reloader.Status().Plugins[0].LastError, Does.Contain(expected));

        // Something else has changed, or this has settled after somebody asked: it is not tried again, and still as wrong as it was.
        await server.Reloader.FilesChangedAsync().Within();
        var status = server.Reloader.Status();
        Assert.That((status.Config.Applied, status.Config.Errors.Count, status.Plugins[0].LastError), Is.EqualTo((false, 1, $"{outcome.Errors[0]}")));
        Assert.That(status.Config.WaitsFor, Is.EqualTo(new[] { _workspace.ConfigFile, _workspace.PluginFolder("Swap") }));
        if (Directory.Exists(_workspace.PluginFolder("Swap")))
        {
            Directory.Delete(_workspace.PluginFolder("Swap"), recursive: true);
        }

        _workspace.With("Swap").Version("two").Configure($"[ {Endpoint} ]");
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Errors, Is.Empty);
        using var swapped = await server.ConnectAsync();
        await AssertVersionAsync(swapped, "two");
        await AssertVersionAsync(old, "one");
        Assert.That(server.Reloader.Status().Plugins[0].LastError, Is.Null);
    }

    [Test]
    public async Task A_rejected_edit_that_is_put_right_to_what_runs_is_said_to_be()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        var sound = await File.ReadAllTextAsync(_workspace.ConfigFile);
        await File.WriteAllTextAsync(_workspace.ConfigFile, sound.Replace("\"plugin\"", "\"plugni\"", StringComparison.Ordinal));
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Accepted, Is.False);
        await File.WriteAllTextAsync(_workspace.ConfigFile, sound);
        for (var time = 0; time < 2; time++)
        {
            Assert.That((await server.Reloader.FilesChangedAsync().Within()).Changes, Is.Empty);
            Assert.That(server.Reloader.Status().Config.Applied);
        }

        Assert.That(server.Server.Events.Last.Count(happened => happened.Text == "revision 1 goes on: what was rejected has been put right"), Is.EqualTo(1));
    }

    [Test]
    public async Task A_dependency_for_another_architecture_leaves_the_old_version_answering_and_a_good_one_then_swaps()
    {
        _workspace.With("VersionOne").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "VersionOne" } ]""");
        var dependency = Path.Combine(_workspace.PluginFolder("VersionOne"), "Versioned.dll");
        await using var server = await TestServer.StartAsync(_workspace);
        Artefact.SetMachine(dependency, Artefact.OtherMachine);
        var outcome = await server.Reloader.ReloadAsync().Within();
        Assert.That(outcome.Errors.Single().ToString(), Does.StartWith($"{_workspace.ConfigFile}:").And.Contain($"plugin VersionOne: Versioned.dll was built for {Artefact.OtherMachine}"));
        using (var client = await server.ConnectAsync())
        {
            Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("1.0.0"));
        }

        _workspace.With("VersionOne");
        await File.WriteAllTextAsync(Path.Combine(_workspace.PluginFolder("VersionOne"), "version.txt"), "two");
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Changes, Has.One.StartsWith("plugin VersionOne: generation 1 -> "));
        using var swapped = await server.ConnectAsync();
        Assert.That(await swapped.ReadTextToEndAsync(), Is.EqualTo("1.0.0"));
    }

    [Test]
    public async Task A_start_that_hangs_is_given_up_and_the_old_version_goes_on()
    {
        var time = new ManualTime();
        await using var server = await TestServer.StartAsync(_workspace, time);
        Spoil("hangs");
        var reload = server.Reloader.ReloadAsync();
        await Deadline.UntilAsync(() => time.Timers >= 2, "the start waits");
        time.Advance(TimeSpan.FromSeconds(30));
        Assert.That((await reload.Within()).Errors.Single().Message, Does.Contain("TroubleService did not start within 30 s"));
        using var client = await server.ConnectAsync();
        await AssertVersionAsync(client, "one");
    }

    [TestCase("not json at all")]
    [TestCase("""{ "endpoints": [ { "port": 70000, "plugin": "Swap" } ] }""")]
    [TestCase("""{ "endpoints": [ { "prot": 0, "plugin": "Swap" } ] }""")]
    [TestCase("""{ "pluginDirectory": "plugins", "stateDirectory": "state", "endpoints": [ { "port": 0, "plugin": "Nobody" } ] }""")]
    [TestCase("""{ "pluginDirectory": "plugins", "stateDirectory": "state", "endpoints": [ { "port": 0, "plugin": "Swap", "handler": "Nobody" } ] }""")]
    [TestCase("")]
    public async Task A_broken_plugins_json_changes_nothing_and_is_reported_with_its_place(string text)
    {
        await using var server = await TestServer.StartAsync(_workspace);
        var before = server.Reloader.Status();
        File.WriteAllText(_workspace.ConfigFile, text);
        var outcome = await server.Reloader.ReloadAsync().Within();
        Assert.That(outcome.Accepted, Is.False);
        Assert.That(outcome.Errors, Is.Not.Empty);
        Assert.That(outcome.Errors.Select(error => error.Line), Has.All.GreaterThan(0));
        var after = server.Reloader.Status();
        Assert.That(after.Revision, Is.EqualTo(before.Revision));
        Assert.That(after.Endpoints, Is.EqualTo(before.Endpoints));
        Assert.That(after.Config.Applied, Is.False);
        using var client = await server.ConnectAsync();
        await AssertVersionAsync(client, "one");
    }

    /// <summary>Every broken file that the reader's golden tests know, as an edit of a running host.</summary>
    [TestCaseSource(nameof(BrokenEdits))]
    public async Task A_broken_edit_leaves_ports_generations_limits_and_revision_as_they_were(string broken)
    {
        await using var server = await TestServer.StartAsync(_workspace);
        using var client = await server.ConnectAsync();
        await AssertVersionAsync(client, "one");

        // An answer may arrive before it is counted.
        await Deadline.UntilAsync(() => server.Reloader.Status().Endpoints[0].BytesSent > 0, "the answer is counted");
        var before = server.Reloader.Status();
        File.Copy(Path.Combine(Broken, broken), _workspace.ConfigFile, overwrite: true);
        var outcome = await server.Reloader.ReloadAsync().Within();
        Assert.That(outcome.Accepted, Is.False);
        Assert.That(outcome.Errors.Where(error => error.Line < 1 || error.Column < 1 || error.File != _workspace.ConfigFile), Is.Empty);
        var after = server.Reloader.Status();
        Assert.That(after.Endpoints, Is.EqualTo(before.Endpoints));
        Assert.That(after.Revision, Is.EqualTo(before.Revision));
        Assert.That(after.Plugins.Single().Generations, Has.Count.EqualTo(1));
        Assert.That(server.Endpoint().Places.Limit, Is.EqualTo(10_000));
        await AssertVersionAsync(client, "one");
    }

    [Test]
    public async Task Nineteen_right_endpoints_and_one_port_in_use_change_nothing()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        using var other = new Socket(SocketType.Stream, ProtocolType.Tcp);
        other.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        other.Listen();
        var taken = ((IPEndPoint)other.LocalEndPoint!).Port;
        var more = string.Join(", ", Enumerable.Range(0, 19).Select(number => $$"""{ "name": "n{{number}}", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" }"""));
        _workspace.Configure($$"""[ {{Endpoint}}, {{more}}, { "address": "127.0.0.1", "port": {{taken}}, "plugin": "Swap", "handler": "VersionHandler" } ]""");
        var outcome = await server.Reloader.ReloadAsync().Within();
        Assert.That(outcome.Errors.Single().ToString(), Does.Contain($"endpoints[20].port: port {taken} is in use by pid"));
        Assert.That(server.Server.Endpoints.Count(), Is.EqualTo(1));
        Assert.That(outcome.Revision, Is.EqualTo(1));
    }

    [Test]
    public async Task Another_address_that_overlaps_the_old_one_on_its_port_is_refused_with_that_reason()
    {
        using var probe = new Socket(SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Any, 0));
        var port = ((IPEndPoint)probe.LocalEndPoint!).Port;
        probe.Dispose();
        _workspace.Configure($$"""[ { "name": "test", "address": "*", "port": {{port}}, "plugin": "Swap", "handler": "VersionHandler" } ]""");
        await using var server = await TestServer.StartAsync(_workspace);
        _workspace.Configure($$"""[ { "name": "test", "address": "127.0.0.1", "port": {{port}}, "plugin": "Swap", "handler": "VersionHandler" } ]""");
        var outcome = await server.Reloader.ReloadAsync().Within();
        Assert.That(outcome.Errors.Single().Message, Is.EqualTo($"127.0.0.1:{port} overlaps *:{port}, on which endpoint test of this host listens; take that one away first, in an edit of its own"));
    }

    [Test]
    public async Task One_bad_plugin_does_not_keep_another_from_its_swap()
    {
        _workspace.With("Echo").Configure($$"""[ {{Endpoint}}, { "name": "echo", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]""");
        await using var server = await TestServer.StartAsync(_workspace);
        File.WriteAllText(Path.Combine(_workspace.PluginFolder("Echo"), "Echo.dll"), "");
        _workspace.Version("two");
        var outcome = await server.Reloader.ReloadAsync().Within();
        Assert.That(outcome.Accepted, Is.False);
        Assert.That(outcome.Changes, Has.One.StartsWith("plugin Swap: generation"));
        using var swapped = await server.ConnectAsync();
        await AssertVersionAsync(swapped, "two");
        using var echo = await server.ConnectAsync("echo");
        await echo.SendAsync("still\n");
        Assert.That(await echo.ReadLineAsync(), Is.EqualTo("still"));
    }

    [Test]
    public async Task Json_first_and_dll_second_ends_applied()
    {
        await using var server = await TestServer.StartAsync(_workspace);
        _workspace.Configure($$"""[ {{Endpoint}}, { "name": "echo", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]""");
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Accepted, Is.False);
        _workspace.With("Echo");
        Assert.That((await server.Reloader.FilesChangedAsync().Within()).Accepted, Is.True);
        using var echo = await server.ConnectAsync("echo");
        await echo.SendAsync("here\n");
        Assert.That(await echo.ReadLineAsync(), Is.EqualTo("here"));
    }

    [Test]
    public async Task Rollback_goes_back_without_the_drop_folder_and_a_restart_does_not_bring_the_bad_build_back()
    {
        var server = await TestServer.StartAsync(_workspace, keep: true);
        _workspace.Version("two");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        Directory.Move(_workspace.PluginFolder("Swap"), _workspace.Root + "/aside");

        var outcome = await server.Reloader.RollbackAsync("Swap").Within();
        Assert.That(outcome.Errors, Is.Empty);
        using (var client = await server.ConnectAsync())
        {
            await AssertVersionAsync(client, "one");
        }

        Directory.Move(_workspace.Root + "/aside", _workspace.PluginFolder("Swap"));
        Assert.That((await server.Reloader.ReloadAsync().Within()).Changes, Is.Empty, "what was rolled back is not tried again");
        await server.DisposeAsync();

        await using var again = await TestServer.StartAsync(_workspace);
        using var after = await again.ConnectAsync();
        await AssertVersionAsync(after, "one");
        _workspace.Version("three");
        Assert.That((await again.Reloader.ReloadAsync().Within()).Errors, Is.Empty, "other content is tried");
        using var three = await again.ConnectAsync();
        await AssertVersionAsync(three, "three");
    }

    [Test]
    public async Task Rollback_of_what_has_no_build_before_is_refused([Values("Swap", "Nobody")] string plugin)
    {
        await using var server = await TestServer.StartAsync(_workspace);
        var outcome = await server.Reloader.RollbackAsync(plugin).Within();
        Assert.That(outcome.Accepted, Is.False);
        Assert.That(outcome.Errors.Single().Message, Does.Contain(plugin));
    }

    [Test]
    public async Task At_start_an_invalid_build_falls_back_loudly_to_the_one_that_served_last()
    {
        await (await TestServer.StartAsync(_workspace, keep: true)).DisposeAsync();
        Spoil("half");
        await using var server = await TestServer.StartAsync(_workspace);
        using var client = await server.ConnectAsync();
        await AssertVersionAsync(client, "one");
        Assert.That(server.Log, Has.Some.StartsWith("Warning 306: Plugin Swap: the build in its folder cannot be used"));
    }

    [Test]
    public async Task A_fallback_that_the_pin_forbids_is_refused_too()
    {
        await (await TestServer.StartAsync(_workspace, keep: true)).DisposeAsync();
        Spoil("half");
        _workspace.Configure($"[ {Endpoint} ]", $$"""{ "Swap": { "sha256": "{{new string('0', 64)}}" } }""");
        Assert.That(async () => await TestServer.StartAsync(_workspace), Throws.InstanceOf<StartException>().With.Message.Contains("only this one may run"));
        _workspace.Dispose();
    }

    private static string Broken => Path.Combine(Repository.Root, "tests", "PluginServer.Tests", "Configuration", "broken");

    private static IEnumerable<string> BrokenEdits() => Directory.EnumerateFiles(Broken, "*.json").Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal);

    private void Spoil(string trouble)
    {
        var folder = _workspace.PluginFolder("Swap");
        var main = Path.Combine(folder, "Swap.dll");
        switch (trouble)
        {
            case "empty":
                File.WriteAllBytes(main, []);
                break;
            case "half":
                File.WriteAllBytes(main, File.ReadAllBytes(main)[..2000]);
                break;
            case "text":
                File.WriteAllText(main, "text");
                break;
            case "architecture":
                Artefact.SetMachine(main, Artefact.OtherMachine);
                break;
            case "32 bits":
                Artefact.SetFlags(main, CorFlags.ILOnly | CorFlags.Requires32Bit);
                break;
            case "missing":
                File.Delete(main);
                break;
            case "folder":
                Directory.Delete(folder, recursive: true);
                break;
            case "deps":
                File.WriteAllText(Path.Combine(folder, "Swap.deps.json"), "{ \"run");
                break;
            case "pinned":
                _workspace.Version("unexpected").Configure($"[ {Endpoint} ]", $$"""{ "Swap": { "sha256": "{{PluginStore.Hash(Repository.Fixture("Swap"))}}" } }""");
                break;
            default:
                File.WriteAllText(Path.Combine(folder, "trouble.txt"), trouble);
                break;
        }
    }

    private static async Task AssertVersionAsync(Client client, string version)
    {
        await client.SendAsync("ping\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo($"{version} ping"));
    }
}
