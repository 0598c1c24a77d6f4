using System.Reflection;

namespace PluginServer.Tests;

/// <summary>Where the checkout and what was built in it lie.</summary>
internal static class Repository
{
    public static readonly string Root = Metadata("RepositoryRoot");

    /// <summary>Debug or Release, as these tests were built.</summary>
    public static readonly string Configuration = Metadata("Configuration");

    /// <summary>The build output of a fixture plugin under tests/fixtures.</summary>
    public static string Fixture(string name) => Path.Combine(Root, "artifacts", "fixtures", name);

    /// <summary>The build output of a sample plugin under plugins.</summary>
    public static string Sample(string name) => Path.Combine(Root, "artifacts", "plugins", name);

    private static string Metadata(string key) => typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(data => data.Key == key).Value!;
}
