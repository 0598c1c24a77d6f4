namespace PluginServer.Testing.Tests;

/// <summary>What the README shows first is compiled and run here: ReadmeExample.cs is it.</summary>
internal sealed class ReadmeTests
{
    [Test]
    public void The_example_of_the_README_is_the_one_that_runs()
    {
        const string begin = "using PluginServer.Testing;\n\n";
        var readme = Read("plugin-testing/README.md");
        var example = readme[(readme.IndexOf(begin, StringComparison.Ordinal) + begin.Length)..];
        Assert.That(Read("tests/PluginServer.Testing.Tests/ReadmeExample.cs"), Is.EqualTo($"namespace PluginServer.Testing.Tests;\n\n{example[..example.IndexOf("```", StringComparison.Ordinal)]}"));
    }

    private static string Read(string path)
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, path)))
        {
            folder = folder.Parent ?? throw new FileNotFoundException(path);
        }

        return File.ReadAllText(Path.Combine(folder.FullName, path)).ReplaceLineEndings("\n");
    }
}
