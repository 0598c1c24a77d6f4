using System.Net;
using System.Net.Sockets;
using Newtonsoft.Json.Linq;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>The verbs, their output and their exit codes.</summary>
internal sealed class CommandLineTests
{
    private readonly Workspace _workspace = new();

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [Test]
    public async Task A_usage_error_prints_the_usage_to_standard_error_and_exits_2([Values("--nonsense", "dance", "explain")] string argument)
    {
        var (exitCode, output, error) = await Cli.RunAsync(argument);
        Assert.That(exitCode, Is.EqualTo(2));
        Assert.That(error, Does.Contain("Usage:"));
        Assert.That(output, Is.Empty);
    }

    [Test]
    public async Task Help_names_every_verb()
    {
        var (exitCode, output, _) = await Cli.RunAsync("--help");
        Assert.That(exitCode, Is.Zero);
        Assert.That(output, Does.Contain("run").And.Contain("check").And.Contain("explain PLUGIN".Split(' ')[0]).And.Contain("--config"));
    }

    [Test]
    public async Task Check_of_a_missing_file_says_which()
    {
        var missing = Path.Combine(_workspace.Root, "nowhere.json");
        var (exitCode, _, error) = await Cli.RunAsync("check", "--config", missing);
        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(error, Does.StartWith($"{missing}:1:1: ").And.Contain("there is no such file"));
    }

    [Test]
    public async Task Check_prints_builds_endpoints_and_when_each_key_takes_effect()
    {
        _workspace.With("Echo").Configure("""[ { "port": 7000, "plugin": "Echo" } ]""");
        var (exitCode, output, error) = await Cli.RunAsync("check", "--config", _workspace.ConfigFile);
        Assert.That(error, Is.Empty);
        Assert.That(exitCode, Is.Zero);
        Assert.That(output, Does.Match("(?m)^Echo +1\\.0\\.0 +[0-9a-f]{64}$"));
        Assert.That(output, Does.Match("(?m)^Echo:7000 +\\*:7000 +Echo +EchoHandler$"));
        Assert.That(output, Does.Match("(?m)^endpoints\\[\\]\\.maxConnections +live$"));
        Assert.That(output, Does.Match("(?m)^endpoints\\[\\]\\.handler +from the next connection on$"));
        Assert.That(Directory.Exists(Path.Combine(_workspace.Root, "state")), Is.False, "a check leaves nothing behind");
    }

    [Test]
    public async Task Check_json_says_the_same_to_a_program()
    {
        _workspace.With("Echo").Configure("""[ { "port": 7000, "plugin": "Echo" } ]""");
        var (exitCode, output, _) = await Cli.RunAsync("check", "--json", "--config", _workspace.ConfigFile);
        var result = JObject.Parse(output);
        Assert.That(exitCode, Is.Zero);
        Assert.That((bool)result["valid"]!, Is.True);
        Assert.That((string?)result["plugins"]![0]!["sha256"], Does.Match("^[0-9a-f]{64}$"));
        Assert.That((string?)result["endpoints"]![0]!["handler"], Is.EqualTo("EchoHandler"));
    }

    [Test]
    public async Task Check_json_lists_errors_with_their_places_and_exits_1()
    {
        _workspace.Configure("""[ { "port": 70000, "plugin": "Echo" } ]""");
        var (exitCode, output, _) = await Cli.RunAsync("check", "--json", "--config", _workspace.ConfigFile);
        var error = JObject.Parse(output)["errors"]![0]!;
        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That((string?)error["path"], Is.EqualTo("endpoints[0].port"));
        Assert.That((int)error["line"]!, Is.EqualTo(5));
        Assert.That((int)error["column"]!, Is.EqualTo(28));
    }

    [Test]
    public async Task Explain_shows_two_plugins_with_two_versions_of_one_dependency()
    {
        _workspace.With("VersionOne", "VersionTwo").Configure("[]");
        var one = await Cli.RunAsync("explain", "VersionOne", "--config", _workspace.ConfigFile);
        var two = await Cli.RunAsync("explain", "VersionTwo", "--config", _workspace.ConfigFile);
        Assert.That(one.Output, Does.Match("(?m)^Versioned +1\\.0\\.0\\.0 +1\\.0\\.0\\.0 +the plugin's folder +private to the plugin$"), one.Error);
        Assert.That(two.Output, Does.Match("(?m)^Versioned +2\\.0\\.0\\.0 +2\\.0\\.0\\.0 +the plugin's folder +private to the plugin$"), two.Error);
        Assert.That(one.Output, Does.Match("(?m)^PluginServer.Abstractions +1\\.0\\.0\\.0 +1\\.0\\.0\\.0 +the host \\(contract\\) +shared with the host and all plugins$"));
    }

    [Test]
    public async Task Explain_says_what_of_the_folder_is_ignored_and_what_is_copied()
    {
        _workspace.With("Serializers").Configure("[]");
        File.Copy(typeof(IConnectionHandler).Assembly.Location, Path.Combine(_workspace.PluginFolder("Serializers"), "PluginServer.Abstractions.dll"));
        var (exitCode, output, _) = await Cli.RunAsync("explain", "Serializers", "--config", _workspace.ConfigFile);
        Assert.That(exitCode, Is.Zero);
        Assert.That(output, Does.Contain("ignored: PluginServer.Abstractions.dll: the host's 1.0.0.0 is used"));
        Assert.That(output, Does.Match("(?m)^System\\.ComponentModel\\.TypeConverter .* private copy, so that the plugin can be unloaded$"));
        Assert.That(output, Does.Match("(?m)^Newtonsoft\\.Json +13\\.0\\.0\\.0 .* private to the plugin$"));
    }

    [Test]
    public async Task Explain_of_a_plugin_that_is_not_there_exits_1()
    {
        _workspace.Configure("[]");
        var (exitCode, _, error) = await Cli.RunAsync("explain", "Nobody", "--config", _workspace.ConfigFile);
        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(error, Does.Contain("there is no folder"));
    }

    [Test]
    public async Task Run_refuses_a_port_in_use_and_names_the_port_and_the_process()
    {
        using var other = new Socket(SocketType.Stream, ProtocolType.Tcp);
        other.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        other.Listen();
        var port = ((IPEndPoint)other.LocalEndPoint!).Port;
        _workspace.With("Echo").Configure($$"""[ { "address": "127.0.0.1", "port": {{port}}, "plugin": "Echo" } ]""");
        var (exitCode, _, error) = await Cli.RunAsync("run", "--config", _workspace.ConfigFile).Within();
        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(error, Does.Match($"^{_workspace.Root}/plugins.json:5:\\d+: endpoints\\[0\\]\\.port: port {port} is in use by pid {Environment.ProcessId} \\(.+\\); stop that process or choose another port\n$"));
    }

    [Test]
    public async Task Run_refuses_an_address_of_another_machine()
    {
        _workspace.With("Echo").Configure("""[ { "address": "192.0.2.1", "port": 0, "plugin": "Echo" } ]""");
        var (exitCode, _, error) = await Cli.RunAsync("run", "--config", _workspace.ConfigFile).Within();
        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(error, Does.Contain("address 192.0.2.1 is not an address of this machine"));
    }

    [Test]
    public async Task Run_refuses_a_state_directory_that_another_host_holds_and_names_its_pid()
    {
        await using var first = await TestServer.StartAsync(new Workspace().With("Echo").Configure("""[ { "port": 0, "plugin": "Echo" } ]"""));
        _workspace.With("Echo").Configure("""[ { "port": 0, "plugin": "Echo" } ]""");
        await File.WriteAllTextAsync(_workspace.ConfigFile, (await File.ReadAllTextAsync(_workspace.ConfigFile)).Replace("\"state\"", $"\"{first.Server.Config.StateDirectory}\"", StringComparison.Ordinal));
        var (exitCode, _, error) = await Cli.RunAsync("run", "--config", _workspace.ConfigFile).Within();
        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(error, Does.Contain($"belongs to a host that is running, pid {Environment.ProcessId}"));
    }

    [TestCase("throws", "PluginServer.Fixtures.Services.LifeService failed to start: InvalidOperationException: the database is not there")]
    [TestCase("fine", "port ")]
    public async Task A_start_that_fails_stops_the_services_that_were_started(string service, string expected)
    {
        using var other = new Socket(SocketType.Stream, ProtocolType.Tcp);
        other.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        other.Listen();
        var port = ((IPEndPoint)other.LocalEndPoint!).Port;
        var journal = Path.Combine(_workspace.Root, "journal");
        _workspace.With("Services").Configure(
            $$"""[ { "address": "127.0.0.1", "port": {{port}}, "plugin": "Services", "handler": "VisitHandler" } ]""",
            $$"""{ "Services": { "settings": { "service": "{{service}}", "journal": "{{journal}}" } } }""");
        var (exitCode, _, error) = await Cli.RunAsync("run", "--config", _workspace.ConfigFile).Within();
        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(error, Does.Contain(expected));
        Assert.That(await File.ReadAllLinesAsync(journal), Is.EqualTo(service == "fine" ? new[] { "service started", "service stopped" } : ["service started"]));
    }
}
