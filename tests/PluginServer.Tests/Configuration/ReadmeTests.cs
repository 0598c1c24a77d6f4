using PluginServer.Configuration;

namespace PluginServer.Tests.Configuration;

/// <summary>The README's table has every key that this version acts on.</summary>
internal sealed class ReadmeTests
{
    [Test]
    public void One_line_speaks_for_the_same_section_elsewhere() =>
        Assert.That(File.ReadAllText(Path.Combine(Repository.Root, "README.md")), Does.Contain("| `admin.tls` | plain HTTP | as on an endpoint"));

    [TestCaseSource(nameof(BuiltKeys))]
    public void Every_key_with_an_effect_is_in_the_table(string key)
    {
        var readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md"));
        Assert.That(readme, Does.Contain($"| `{key}` |"));
    }

    private static IEnumerable<string> BuiltKeys() => ConfigKeys.All
        .Where(key => key.Change is not (ConfigChange.None or ConfigChange.ByMember))
        .Where(key => key.Supported is null or { Length: > 1 })
        .Where(key => !ConfigKeys.All.Any(around => key.Path.StartsWith(around.Path, StringComparison.Ordinal) && around != key && around.Supported is { Length: <= 1 }))
        .Where(key => !key.Path.StartsWith("admin.tls.", StringComparison.Ordinal))
        .Where(key => !key.Path.EndsWith("[]", StringComparison.Ordinal))
        .Select(key => key.Path.Replace('*', '<').Replace("<", "<Name>", StringComparison.Ordinal));
}
