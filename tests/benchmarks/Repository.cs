using System.Reflection;

namespace PluginServer.Benchmarks;

/// <summary>The checkout that this was built from.</summary>
internal static class Repository
{
    public static string Root { get; } = typeof(Repository).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(data => data.Key == "RepositoryRoot").Value!;
}
