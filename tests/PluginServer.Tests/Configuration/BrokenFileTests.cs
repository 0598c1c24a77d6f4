using PluginServer.Configuration;

namespace PluginServer.Tests.Configuration;

/// <summary>Files as operators break them, and all that is said about each.</summary>
internal sealed class BrokenFileTests
{
    private static string Folder => Path.Combine(Golden.Folder, "broken");

    private static IEnumerable<string> Files => Directory.EnumerateFiles(Folder, "*.json").Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal);

    [TestCaseSource(nameof(Files))]
    public void Every_error_is_reported_with_its_place(string name)
    {
        var file = Path.Combine(Folder, name);
        var result = ConfigReader.ReadText(File.ReadAllText(file), "plugins.json");
        Assert.That(result.Config, Is.Null);
        Golden.Compare(string.Concat(result.Errors.Select(error => $"{error}\n")), Path.ChangeExtension(file, ".txt"));
    }

    [Test]
    public void There_are_at_least_fifteen() => Assert.That(Files.Count(), Is.GreaterThanOrEqualTo(15));
}
