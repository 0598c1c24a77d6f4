using System.Text.RegularExpressions;
using System.Xml.Linq;
using PluginServer.Administration;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Administration;

/// <summary>The verb <c>new</c>: what it makes, and what it refuses. That what it makes serves is in TemplateTests.</summary>
internal sealed class NewVerbTests
{
    private static readonly string Template = Path.Combine(Repository.Root, "templates", "plugin");
    private readonly Workspace _workspace = new();

    private string Target => Path.Combine(_workspace.Root, "made");

    [TearDown]
    public void Remove() => _workspace.Dispose();

    [Test]
    public async Task It_makes_a_plugin_and_its_tests_and_says_what_to_do_with_them()
    {
        var (exitCode, output, error) = await Cli.RunAsync("new", "Shout", "--output", Target);
        Assert.That((exitCode, error), Is.EqualTo((0, "")));
        Assert.That(output, Does.StartWith($"{Target}: plugin Shout and its tests\n").And.Contain($"dotnet test {Target}/Shout.Tests\n").And.Contain("""{ "port": 7001, "plugin": "Shout" }""").And.Contain("note: its packages"));
        Assert.That(Files(Target).Keys, Is.EquivalentTo(
            [".editorconfig", ".gitignore", "Directory.Build.props", "README.md", "Shout/Shout.csproj", "Shout/ShoutHandler.cs", "Shout.Tests/OtherBuild.cs", "Shout.Tests/Shout.Tests.csproj", "Shout.Tests/ShoutHandlerTests.cs"]));
        Assert.That(string.Concat(Files(Target).Values), Does.Not.Match("PluginName|PluginClass|PluginNamespace|PACKAGES_FOLDER"));
    }

    [Test]
    public async Task Without_an_output_it_is_a_folder_of_that_name_here()
    {
        var (exitCode, output, error) = await HostProcess.RunAsync(_workspace.Root, "new", "Acme.Shout");
        Assert.That(exitCode, Is.Zero, error);
        Assert.That(output, Does.Contain("/Acme.Shout: plugin Acme.Shout and its tests"));
        Assert.That(await File.ReadAllTextAsync(Path.Combine(_workspace.Root, "Acme.Shout", "Acme.Shout", "ShoutHandler.cs")), Does.Contain("namespace Acme.Shout;").And.Contain("class ShoutHandler()"));
    }

    [Test]
    public async Task An_empty_folder_may_be_there_already()
    {
        Directory.CreateDirectory(Target);
        Assert.That((await Cli.RunAsync("new", "Shout", "--output", Target)).ExitCode, Is.Zero);
    }

    /// <summary>With packages in a folder whose name has a meaning in XML.</summary>
    [Test]
    public async Task Its_files_are_those_that_dotnet_new_makes()
    {
        var packages = WithPackages("pack & <ages>");
        var dotnet = Dotnet.At(Path.Combine(_workspace.Root, "home"));
        await dotnet.RunAsync(_workspace.Root, "new", "install", Template);
        foreach (var (name, more) in new[] { ("Shout", (string[])[]), ("Acme.Net_2.Shout", ["--packages", packages]) })
        {
            var byDotnet = Path.Combine(_workspace.Root, $"dotnet-{name}");
            var byVerb = Path.Combine(_workspace.Root, $"verb-{name}");
            await dotnet.RunAsync(_workspace.Root, ["new", "plugin-server-plugin", "--name", name, "--output", byDotnet, .. more]);
            Assert.That((await Cli.RunAsync(["new", name, "--output", byVerb, .. more])).ExitCode, Is.Zero);
            Assert.That(Files(byVerb), Is.EqualTo(Files(byDotnet)));
        }

        var sources = XDocument.Load(Path.Combine(_workspace.Root, "verb-Acme.Net_2.Shout", "nuget.config"));
        Assert.That(sources.Descendants("add").Single().Attribute("value")!.Value, Is.EqualTo(packages));
    }

    [Test]
    public async Task A_relative_folder_of_packages_becomes_an_absolute_one()
    {
        var packages = WithPackages("packages");
        var (exitCode, output, _) = await Cli.RunAsync("new", "Shout", "--output", Target, "--packages", Path.GetRelativePath(Environment.CurrentDirectory, packages));
        Assert.That(exitCode, Is.Zero);
        Assert.That(output, Does.Not.Contain("note:"));
        Assert.That(Files(Target)["nuget.config"], Does.Contain($"value=\"{packages}\""));
    }

    [TestCase("my-plugin")]
    [TestCase("2fast")]
    [TestCase("Acme.2fast")]
    [TestCase("Acme..Shout")]
    [TestCase(".Shout")]
    [TestCase("Shout.")]
    [TestCase("Sh out")]
    [TestCase("Shout/Loud")]
    [TestCase("../Shout")]
    [TestCase("")]
    [TestCase("Gr\u00fc\u00dfe", Description = "plugin names are ASCII")]
    [TestCase("Shout\n")]
    public Task What_is_no_namespace_is_refused(string name) =>
        AssertRefusedAsync($"\"{name}\" cannot be the name of a new plugin, for it becomes a C# namespace: letters, digits and _, in parts with dots between them, none of which begins with a digit; like Shout or Acme.Shout\n", name);

    [TestCase("class", "class")]
    [TestCase("Acme.event", "event")]
    public Task A_keyword_is_refused(string name, string keyword) =>
        AssertRefusedAsync($"\"{name}\" cannot be the name of a new plugin, for it becomes a C# namespace, and {keyword} is a keyword of C#; choose another, like {name}Plugin\n", name);

    [TestCase("Task", "Task")]
    [TestCase("LineProtocol", "LineProtocol")]
    [TestCase("Acme.Assert", "Assert")]
    [TestCase("PluginServer.Shout", "PluginServer")]
    public Task A_name_that_would_hide_what_its_code_uses_is_refused(string name, string used) =>
        AssertRefusedAsync($"\"{name}\" cannot be the name of a new plugin, for its own code uses {used} for something else; choose another, like {name}Plugin\n", name);

    [TestCase("Echo")]
    [TestCase("Chat")]
    [TestCase("Hello")]
    [TestCase("Demo")]
    [TestCase("Server")]
    [TestCase("Greeter")]
    [TestCase("TaskPlugin")]
    [TestCase("_1")]
    public async Task Other_names_are_not(string name) => Assert.That((await Cli.RunAsync("new", name, "--output", Target)).ExitCode, Is.Zero);

    [Test]
    public async Task A_folder_that_is_not_empty_is_refused_and_left_as_it_is()
    {
        Directory.CreateDirectory(Target);
        await File.WriteAllTextAsync(Path.Combine(Target, ".hidden"), "mine");
        await AssertRefusedAsync($"{Target} exists and is not empty; choose another folder by --output\n", "Shout");
        Assert.That(Files(Target).Keys, Is.EqualTo([".hidden"]));
    }

    [Test]
    public async Task A_file_in_its_place_is_refused()
    {
        await File.WriteAllTextAsync(Target, "mine");
        await AssertRefusedAsync($"{Target} is a file; choose another folder by --output\n", "Shout");
        Assert.That(await File.ReadAllTextAsync(Target), Is.EqualTo("mine"));
    }

    [Test]
    public async Task A_place_that_cannot_be_written_is_named()
    {
        var file = Path.Combine(_workspace.Root, "file");
        await File.WriteAllTextAsync(file, "");
        var (exitCode, _, error) = await Cli.RunAsync("new", "Shout", "--output", Path.Combine(file, "below"));
        Assert.That(exitCode, Is.EqualTo(1));
        Assert.That(error, Does.Match($@"^{Regex.Escape(file)}/below/\S+ cannot be written: .+; choose another folder by --output, or make room there\n$"));
    }

    [Test]
    public async Task A_folder_without_the_packages_is_refused_with_how_to_make_them()
    {
        var packages = Path.Combine(_workspace.Root, "packages");
        await AssertRefusedAsync($"there is no PluginServer.Abstractions.{PluginTemplate.Version}.nupkg in {packages}; make it in a clone of PluginServer: dotnet pack plugin-abstractions -o {packages}\n", "Shout", "--packages", packages);
        File.Delete(Path.Combine(WithPackages("packages"), $"PluginServer.Testing.{PluginTemplate.Version}.nupkg"));
        await AssertRefusedAsync($"there is no PluginServer.Testing.{PluginTemplate.Version}.nupkg in {packages}; make it in a clone of PluginServer: dotnet pack plugin-testing -o {packages}\n", "Shout", "--packages", packages);
        Assert.That(Target, Does.Not.Exist);
    }

    [Test]
    public async Task Without_a_name_it_is_a_usage_error()
    {
        var (exitCode, output, error) = await Cli.RunAsync("new");
        Assert.That((exitCode, output), Is.EqualTo((2, "")));
        Assert.That(error, Does.Contain("plugin-server new <NAME>").Or.Contain("new <NAME>"));
    }

    /// <summary>The template can be installed from its folder, where nothing replaces them.</summary>
    [Test]
    public void The_versions_in_the_template_are_those_of_the_repository()
    {
        Assert.That(XDocument.Load(Path.Combine(Template, "Directory.Build.props")).Descendants("PluginServerVersion").Single().Value, Is.EqualTo(PluginTemplate.Version));

        var versions = XDocument.Load(Path.Combine(Repository.Root, "Directory.Packages.props")).Descendants("PackageVersion").ToDictionary(static entry => entry.Attribute("Include")!.Value, static entry => entry.Attribute("Version")!.Value);
        var asked = Files(Template).Where(static file => file.Key.EndsWith(".csproj", StringComparison.Ordinal)).SelectMany(static file => XDocument.Parse(file.Value).Descendants("PackageReference")).ToList();
        Assert.That(asked, Has.Count.EqualTo(5));
        foreach (var package in asked)
        {
            var name = package.Attribute("Include")!.Value;
            Assert.That(package.Attribute("Version")!.Value, Is.EqualTo(name.StartsWith("PluginServer.", StringComparison.Ordinal) ? "$(PluginServerVersion)" : versions[name]), name);
        }
    }

    private async Task AssertRefusedAsync(string expected, string name, params string[] more)
    {
        var (exitCode, output, error) = await Cli.RunAsync(["new", name, "--output", Target, .. more]);
        Assert.That((exitCode, output, error), Is.EqualTo((1, "", expected)));
    }

    private string WithPackages(string name)
    {
        var folder = Directory.CreateDirectory(Path.Combine(_workspace.Root, name)).FullName;
        foreach (var package in new[] { "PluginServer.Abstractions", "PluginServer.Testing" })
        {
            File.WriteAllText(Path.Combine(folder, $"{package}.{PluginTemplate.Version}.nupkg"), "");
        }

        return folder;
    }

    private static SortedDictionary<string, string> Files(string folder) => new(
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).ToDictionary(file => Path.GetRelativePath(folder, file), File.ReadAllText),
        StringComparer.Ordinal);
}
