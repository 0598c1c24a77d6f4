using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>Each way in which a plugin cannot be used: <c>check</c> says file, line, column, path, cause and cure, and <c>run</c> refuses with the same words.</summary>
internal sealed class CheckPluginsTests
{
    private const string Line6 = "plugins.json:6:";
    private const string OneLine = "[\n    { \"port\": 0, \"plugin\": \"";

    private readonly Workspace _workspace = new();

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [Test]
    public Task Folder_missing() => AssertRefusedAsync("Echo", "", Line6 + "28: endpoints[0].plugin: plugin Echo: there is no folder {plugins}/Echo; publish the plugin into it (dotnet publish -o {plugins}/Echo)");

    [Test]
    public Task Main_dll_missing()
    {
        _workspace.With("Echo");
        File.Delete(Main("Echo"));
        return AssertRefusedAsync("Echo", "", Line6 + "28: endpoints[0].plugin: plugin Echo: Echo.dll is not in {plugins}/Echo; the main DLL must bear the folder's name");
    }

    [Test]
    public Task Empty_dll()
    {
        _workspace.With("Echo");
        File.WriteAllBytes(Main("Echo"), []);
        return AssertRefusedAsync("Echo", "", Line6 + "28: endpoints[0].plugin: plugin Echo: Echo.dll is empty (0 bytes); copy or publish it again into {plugins}/Echo");
    }

    [Test]
    public async Task Half_a_dll()
    {
        _workspace.With("Echo");
        var whole = await File.ReadAllBytesAsync(Main("Echo"));
        await File.WriteAllBytesAsync(Main("Echo"), whole[..(whole.Length / 2)]);
        await AssertRefusedAsync("Echo", "", Line6 + "28: endpoints[0].plugin: plugin Echo: Echo.dll is not a .NET assembly, or only half of one; copy or publish it again into {plugins}/Echo");
    }

    [Test]
    public async Task A_dll_without_its_last_bytes()
    {
        _workspace.With("Echo");
        var whole = await File.ReadAllBytesAsync(Main("Echo"));
        await File.WriteAllBytesAsync(Main("Echo"), whole[..^512]);
        await AssertRefusedAsync("Echo", "", Line6 + $"28: endpoints[0].plugin: plugin Echo: Echo.dll is cut short: {whole.Length - 512} of at least {whole.Length} bytes; copy or publish it again into {{plugins}}/Echo");
    }

    [Test]
    public Task Text_instead_of_a_dll()
    {
        _workspace.With("Echo");
        File.WriteAllText(Main("Echo"), "this is a text file\n");
        return AssertRefusedAsync("Echo", "", Line6 + "28: endpoints[0].plugin: plugin Echo: Echo.dll is not a .NET assembly, or only half of one; copy or publish it again into {plugins}/Echo");
    }

    [Test]
    public Task Native_library_instead_of_a_dll()
    {
        _workspace.With("Echo");
        File.Copy(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "libSystem.Native.so"), Main("Echo"), overwrite: true);
        return AssertRefusedAsync("Echo", "", Line6 + "28: endpoints[0].plugin: plugin Echo: Echo.dll is a native library, not a .NET assembly; copy or publish it again into {plugins}/Echo");
    }

    [Test]
    public Task Another_architecture()
    {
        _workspace.With("Echo");
        Artefact.SetMachine(Main("Echo"), Artefact.OtherMachine);
        return AssertRefusedAsync("Echo", "", Line6 + $"28: endpoints[0].plugin: plugin Echo: Echo.dll was built for {Artefact.OtherMachine}, and this host runs on {RuntimeInformation.ProcessArchitecture}: build it for AnyCPU; copy or publish it again into {{plugins}}/Echo");
    }

    [Test]
    public Task A_dll_that_requires_32_bits()
    {
        _workspace.With("Echo");
        Artefact.SetFlags(Main("Echo"), CorFlags.ILOnly | CorFlags.Requires32Bit);
        return AssertRefusedAsync("Echo", "", Line6 + $"28: endpoints[0].plugin: plugin Echo: Echo.dll was built for I386, and this host runs on {RuntimeInformation.ProcessArchitecture}: build it for AnyCPU; copy or publish it again into {{plugins}}/Echo");
    }

    [Test]
    public Task A_dll_with_native_code_in_it()
    {
        _workspace.With("Echo");
        Artefact.SetFlags(Main("Echo"), 0);
        return AssertRefusedAsync("Echo", "", Line6 + "28: endpoints[0].plugin: plugin Echo: Echo.dll mixes native code with IL, and so cannot be unloaded: build it as IL only; copy or publish it again into {plugins}/Echo");
    }

    [Test]
    public Task A_dependency_for_another_architecture()
    {
        _workspace.With("VersionOne");
        Artefact.SetMachine(Path.Combine(_workspace.PluginFolder("VersionOne"), "Versioned.dll"), Artefact.OtherMachine);
        return AssertRefusedAsync("VersionOne", "", Line6 + $"28: endpoints[0].plugin: plugin VersionOne: Versioned.dll was built for {Artefact.OtherMachine}, and this host runs on {RuntimeInformation.ProcessArchitecture}: build it for AnyCPU; copy or publish it again into {{plugins}}/VersionOne");
    }

    [Test]
    public async Task A_dll_that_prefers_32_bits_is_fit()
    {
        _workspace.With("Echo").Configure("[ { \"port\": 0, \"plugin\": \"Echo\" } ]");
        Artefact.SetFlags(Main("Echo"), CorFlags.ILOnly | CorFlags.Requires32Bit | CorFlags.Prefers32Bit);
        var (exitCode, _, error) = await Cli.RunAsync("check", "--config", _workspace.ConfigFile);
        Assert.That(error, Is.Empty);
        Assert.That(exitCode, Is.Zero);
    }

    [Test]
    public Task Another_plugin_under_this_name()
    {
        _workspace.With("Echo");
        File.Copy(Path.Combine(Repository.Fixture("NoHandler"), "NoHandler.dll"), Main("Echo"), overwrite: true);
        return AssertRefusedAsync("Echo", "", Line6 + "28: endpoints[0].plugin: plugin Echo: Echo.dll holds the assembly NoHandler; name the folder NoHandler, or set <AssemblyName>Echo</AssemblyName> in the project");
    }

    [Test]
    public Task Half_a_deps_json()
    {
        _workspace.With("VersionOne");
        var deps = Path.Combine(_workspace.PluginFolder("VersionOne"), "VersionOne.deps.json");
        File.WriteAllText(deps, File.ReadAllText(deps)[..40]);
        return AssertRefusedAsync("VersionOne", "", Line6 + "28: endpoints[0].plugin: plugin VersionOne: VersionOne.deps.json in {plugins}/VersionOne cannot be read; publish the plugin again (");
    }

    [Test]
    public Task Dependency_missing()
    {
        _workspace.With("VersionOne");
        File.Delete(Path.Combine(_workspace.PluginFolder("VersionOne"), "Versioned.dll"));
        return AssertRefusedAsync("VersionOne", "", Line6 + "28: endpoints[0].plugin: plugin VersionOne: VersionOne.dll needs Versioned 1.0.0.0, which is not in the plugin's folder and not in the shared frameworks; publish the plugin with its dependencies (dotnet publish -o {plugins}/VersionOne)");
    }

    [Test]
    public Task Contract_member_missing()
    {
        _workspace.With("MissingMember");
        return AssertRefusedAsync(
            "MissingMember",
            "",
            Line6 + "28: endpoints[0].plugin: plugin MissingMember: MissingMember.dll uses PluginServer.Future, which contract 1.0 of this host does not have; build the plugin against PluginServer.Abstractions 1.0");
    }

    [Test]
    public Task Newer_contract()
    {
        _workspace.With("NewerContract");
        return AssertRefusedAsync("NewerContract", "", Line6 + "28: endpoints[0].plugin: plugin NewerContract: NewerContract.dll needs contract 1.1, host has 1.0: build it against PluginServer.Abstractions 1.0 or update the host");
    }

    [Test]
    public Task No_handler()
    {
        _workspace.With("NoHandler");
        return AssertRefusedAsync("NoHandler", "", Line6 + "28: endpoints[0].plugin: plugin NoHandler: no type in NoHandler.dll implements PluginServer.IConnectionHandler; add a public, non-abstract, non-generic class that does");
    }

    [Test]
    public Task Several_handlers_and_none_named()
    {
        _workspace.With("Settings");
        return AssertRefusedAsync("Settings", "", Line6 + "28: endpoints[0].plugin: plugin Settings has several handlers; say which with \"handler\": PluginServer.Fixtures.Settings.GreetingHandler, PluginServer.Fixtures.Settings.NeedyHandler, PluginServer.Fixtures.Settings.PointHandler");
    }

    [Test]
    public Task A_handler_that_is_not_there()
    {
        _workspace.With("Echo");
        return AssertRefusedAsync("Echo", ", \"handler\": \"Ecko\"", Line6 + "47: endpoints[0].handler: plugin Echo has no handler 'Ecko'; it has PluginServer.Plugins.Echo.EchoHandler");
    }

    [Test]
    public Task Handler_asks_for_what_is_not_registered()
    {
        _workspace.With("Settings");
        return AssertRefusedAsync("Settings", ", \"handler\": \"NeedyHandler\"", Line6 + "28: endpoints[0].plugin: plugin Settings: NeedyHandler asks for IFormatProvider formats, which is not registered; register it in ConfigureServices of the plugin's IPlugin");
    }

    [Test]
    public Task A_service_that_cannot_be_made()
    {
        _workspace.With("Services");
        return AssertRefusedAsync("Services", ", \"handler\": \"VisitHandler\"", Line6 + "28: endpoints[0].plugin: plugin Services: its services cannot be set up: InvalidOperationException: Error while validating the service descriptor 'ServiceType: PluginServer.Fixtures.Services.Unresolvable", """{ "Services": { "settings": { "service": "unresolvable" } } }""");
    }

    [Test]
    public Task ConfigureServices_throws()
    {
        _workspace.With("Services");
        return AssertRefusedAsync("Services", ", \"handler\": \"VisitHandler\"", Line6 + "28: endpoints[0].plugin: plugin Services: its services cannot be set up: InvalidOperationException: no house to serve in; mend ConfigureServices of PluginServer.Fixtures.Services.ServicesPlugin", """{ "Services": { "settings": { "service": "cannot configure" } } }""");
    }

    [TestCase("\"times\": \"often\"", "endpoints[0].settings.times: 'often' does not fit; allowed is a whole number from -2147483648 to 2147483647", 10)]
    [TestCase("\"volume\": \"medium\"", "endpoints[0].settings.volume: 'medium' does not fit; allowed is one of Quiet, Loud", 11)]
    [TestCase("\"pause\": \"soon\"", "endpoints[0].settings.pause: 'soon' does not fit; allowed is a duration such as \"00:00:30\"", 10)]
    [TestCase("\"weights\": { \"a\": 1.5 }", "endpoints[0].settings.weights.a: '1.5' does not fit; allowed is a whole number from -2147483648 to 2147483647", 19)]
    [TestCase("\"limits\": { \"maximum\": [ 1 ] }", "endpoints[0].settings.limits.maximum: is an object or a list; allowed is a whole number from -9223372036854775808 to 9223372036854775807", 24)]
    [TestCase("\"limits\": 3", "endpoints[0].settings.limits: '3' does not fit; allowed is an object (Limits)", 11)]
    [TestCase("\"greetings\": \"hi\"", "endpoints[0].settings.greetings: unknown setting 'greetings'; did you mean 'Greeting'?", 1)]
    [TestCase("\"zzz\": 1", "endpoints[0].settings.zzz: unknown setting 'zzz'; GreetingSettings has Greeting, Limits, Names, Pause, Times, Volume, Weights", 1)]
    [TestCase("\"limits\": { \"max\": 3 }", "endpoints[0].settings.limits.max: unknown setting 'max'; Limits has Maximum", 13)]
    [TestCase("\"times\": 11", "endpoints[0].settings.times: The field Times must be between 1 and 10", 10)]
    [TestCase("\"greeting\": \"forbidden\"", "endpoints[0].settings: the greeting 'forbidden' is not allowed; choose another", -12)]
    public Task Settings_that_do_not_fit(string setting, string expected, int column)
    {
        _workspace.With("Settings");
        const string before = "    { \"port\": 0, \"plugin\": \"Settings\", \"handler\": \"GreetingHandler\", \"settings\": { ";
        return AssertRefusedAsync("Settings", $", \"handler\": \"GreetingHandler\", \"settings\": {{ {setting} }}", $"{Line6}{before.Length + (column < 0 ? -1 : column)}: {expected}");
    }

    [Test]
    public Task Settings_for_a_handler_that_takes_none()
    {
        _workspace.With("Echo");
        return AssertRefusedAsync("Echo", ", \"settings\": { \"a\": 1 }", Line6 + "48: endpoints[0].settings: EchoHandler takes no settings: its constructor has no IOptions<T> parameter; remove them, or put what is for the plugin's services under plugins.Echo.settings");
    }

    [Test]
    public Task Settings_for_a_plugin_without_IPlugin()
    {
        _workspace.With("Echo");
        return AssertRefusedAsync("Echo", "", "plugins.json:4:38: plugins.Echo.settings: nothing in plugin Echo reads them: it has no IPlugin, and no handler asks for IConfiguration; remove them, or put what is for a handler under the endpoint's settings", """{ "Echo": { "settings": { "a": 1 } } }""");
    }

    [Test]
    public async Task Every_error_of_every_plugin_comes_in_one_pass()
    {
        _workspace.With("NoHandler", "NewerContract").Configure("""[ { "port": 0, "plugin": "NoHandler" }, { "port": 0, "plugin": "NewerContract" }, { "port": 0, "plugin": "Absent" } ]""");
        var (exitCode, _, error) = await Cli.RunAsync("check", "--config", _workspace.ConfigFile);
        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(error.Split('\n', StringSplitOptions.RemoveEmptyEntries), Has.Length.EqualTo(3), error);
    }

    private string Main(string name) => Path.Combine(_workspace.PluginFolder(name), $"{name}.dll");

    private async Task AssertRefusedAsync(string plugin, string more, string expected, string plugins = "{}")
    {
        _workspace.Configure($"{OneLine}{plugin}\"{more} }}\n  ]", plugins);
        var whole = $"{_workspace.Root}/{expected.Replace("{plugins}", _workspace.PluginDirectory, StringComparison.Ordinal)}";

        var (exitCode, output, error) = await Cli.RunAsync("check", "--config", _workspace.ConfigFile);
        Assert.That(error, Does.StartWith(whole));
        Assert.That(error.TrimEnd().Split('\n'), Has.Length.EqualTo(1));
        Assert.That(output, Is.Empty);
        Assert.That(exitCode, Is.EqualTo(1));

        var run = await Cli.RunAsync("run", "--config", _workspace.ConfigFile).Within();
        Assert.That(run.Error, Is.EqualTo(error), "run refuses with the same text");
        Assert.That(run.ExitCode, Is.EqualTo(1));
    }
}
