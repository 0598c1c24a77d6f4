namespace PluginServer.Tests.Configuration;

/// <summary>Texts that are checked in beside the tests and can be written anew.</summary>
internal static class Golden
{
    private const string Switch = "PLUGINSERVER_WRITE_GOLDEN";

    public static string Folder => Path.Combine(Repository.Root, "tests", "PluginServer.Tests", "Configuration");

    public static void Compare(string actual, string file)
    {
        if (Environment.GetEnvironmentVariable(Switch) == "1")
        {
            File.WriteAllText(file, actual);
        }

        var expected = File.Exists(file) ? File.ReadAllText(file) : "(no such file)\n";
        Assert.That(
            actual,
            Is.EqualTo(expected),
            $"{Path.GetRelativePath(Repository.Root, file)} says\n{expected}\nand this came\n{actual}\nWhere it is what it should be, run this test again with {Switch}=1 and look at the diff.");
    }
}
