using PluginServer.Plugins;

namespace PluginServer.Tests.Plugins;

internal sealed class BuildHistoryTests
{
    [TestCase("")]
    [TestCase("{")]
    [TestCase("[]")]
    [TestCase("null")]
    [TestCase("{}")]
    [TestCase("""{ "Served": 5, "RolledBack": [ null, {} ] }""")]
    public void A_damaged_file_is_no_history_and_is_written_anew(string damaged)
    {
        var state = Directory.CreateTempSubdirectory("plugin-server-test-").FullName;
        try
        {
            var file = Path.Combine(state, "plugins", "Echo", "builds.json");
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            File.WriteAllText(file, damaged);
            var history = new BuildHistory(state);
            Assert.That(history.Served("Echo"), Is.Empty);
            history.MarkServed("Echo", "a1");
            history.MarkServed("Echo", "b2");
            Assert.That(new BuildHistory(state).Served("Echo"), Is.EqualTo(new[] { "b2", "a1" }));
        }
        finally
        {
            Directory.Delete(state, recursive: true);
        }
    }
}
