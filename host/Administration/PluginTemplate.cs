using System.Reflection;
using System.Security;
using System.Text.RegularExpressions;
using PluginServer.Supervision;

namespace PluginServer.Administration;

/// <summary>The files of a new plugin and its tests: those of templates/plugin, which the host carries, as <c>dotnet new</c> would write them.</summary>
internal static partial class PluginTemplate
{
    private const string Prefix = "template/";
    private const string SourcesFile = "nuget.config";

    // As template.json says.
    private const string NameToken = "PluginName";
    private const string NamespaceToken = "PluginNamespace";
    private const string ClassToken = "PluginClass";
    private const string PackagesToken = "PACKAGES_FOLDER";

    private static readonly Assembly Host = typeof(PluginTemplate).Assembly;

    /// <summary>The version of the packages that a new plugin asks for: those of this host.</summary>
    public static string Version => StatusReport.Version;

    /// <summary>Each with its path below the new folder.</summary>
    /// <param name="name">Of the plugin, a C# namespace.</param>
    /// <param name="packages">The folder of packages that is made a package source; null for none.</param>
    public static IEnumerable<(string Path, string Text)> Render(string name, string? packages)
    {
        var last = name[(name.LastIndexOf('.') + 1)..];
        string Replace(string text) => text
            .Replace(NamespaceToken, name, StringComparison.Ordinal)
            .Replace(ClassToken, last, StringComparison.Ordinal)
            .Replace(NameToken, name, StringComparison.Ordinal)
            .Replace(PackagesToken, SecurityElement.Escape(packages), StringComparison.Ordinal);
        return Sources.Where(source => source.Path != SourcesFile || packages is not null).Select(source => (Replace(source.Path), VersionText.Replace(Replace(source.Text), Version)));
    }

    /// <summary>Whether the code of a new plugin means something else by this word: a namespace of that name would hide it.</summary>
    public static bool Uses(string word) =>
        Sources.Any(source => source.Path.EndsWith(".cs", StringComparison.Ordinal) && Regex.IsMatch(source.Text, $@"\b{Regex.Escape(word)}\b", RegexOptions.CultureInvariant));

    private static IEnumerable<(string Path, string Text)> Sources => Host.GetManifestResourceNames()
        .Where(static resource => resource.StartsWith(Prefix, StringComparison.Ordinal))
        .Select(static resource => (resource[Prefix.Length..], Read(resource)));

    private static string Read(string resource)
    {
        using var reader = new StreamReader(Host.GetManifestResourceStream(resource)!);
        return reader.ReadToEnd();
    }

    // As a package of the template says its own.
    [GeneratedRegex("(?<=<PluginServerVersion>)[^<]*", RegexOptions.CultureInvariant)]
    private static partial Regex VersionText { get; }
}
