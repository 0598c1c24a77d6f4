using System.Collections.Frozen;
using System.Text.RegularExpressions;

namespace PluginServer.Administration;

/// <summary>Makes a new plugin and its test project.</summary>
internal static partial class NewCommand
{
    // C# 14, https://learn.microsoft.com/dotnet/csharp/language-reference/keywords: those that are none only in some places.
    private static readonly FrozenSet<string> Keywords = FrozenSet.Create(
        "abstract", "as", "base", "bool", "break", "byte", "case", "catch", "char", "checked", "class", "const", "continue", "decimal", "default", "delegate", "do", "double", "else", "enum", "event",
        "explicit", "extern", "false", "finally", "fixed", "float", "for", "foreach", "goto", "if", "implicit", "in", "int", "interface", "internal", "is", "lock", "long", "namespace", "new", "null",
        "object", "operator", "out", "override", "params", "private", "protected", "public", "readonly", "ref", "return", "sbyte", "sealed", "short", "sizeof", "stackalloc", "static", "string", "struct",
        "switch", "this", "throw", "true", "try", "typeof", "uint", "ulong", "unchecked", "unsafe", "ushort", "using", "virtual", "void", "volatile", "while");

    public static int Run(CommandContext context, string name, string? output, string? packages)
    {
        var folder = Path.GetFullPath(output ?? name);
        var source = packages is null ? null : Path.GetFullPath(packages);
        if ((WrongName(name) ?? WrongFolder(folder) ?? WrongPackages(source)) is { } wrong)
        {
            return context.Fail([wrong]);
        }

        var target = folder;
        try
        {
            foreach (var (path, text) in PluginTemplate.Render(name, source))
            {
                target = Path.Combine(folder, path);
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.WriteAllText(target, text);
            }
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return context.Fail([$"{target} cannot be written: {problem.Message}; choose another folder by --output, or make room there"]);
        }

        Print(context.Report, name, folder, source);
        return 0;
    }

    /// <summary>What is wrong with it, or null.</summary>
    private static string? WrongName(string name)
    {
        if (!Namespace.IsMatch(name))
        {
            return $"\"{name}\" cannot be the name of a new plugin, for it becomes a C# namespace: letters, digits and _, in parts with dots between them, none of which begins with a digit; like Shout or Acme.Shout";
        }

        var parts = name.Split('.');
        return Array.Find(parts, Keywords.Contains) is { } keyword
            ? $"\"{name}\" cannot be the name of a new plugin, for it becomes a C# namespace, and {keyword} is a keyword of C#; choose another, like {name}Plugin"
            : Array.Find(parts, PluginTemplate.Uses) is { } used
            ? $"\"{name}\" cannot be the name of a new plugin, for its own code uses {used} for something else; choose another, like {name}Plugin"
            : null;
    }

    private static string? WrongFolder(string folder)
    {
        try
        {
            return File.Exists(folder) ? $"{folder} is a file; choose another folder by --output"
                : Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any() ? $"{folder} exists and is not empty; choose another folder by --output"
                : null;
        }
        catch (UnauthorizedAccessException problem)
        {
            return $"{folder} cannot be read: {problem.Message}; choose another folder by --output";
        }
    }

    private static string? WrongPackages(string? packages)
    {
        if (packages is null)
        {
            return null;
        }

        var missing = Array.Find(["PluginServer.Abstractions", "PluginServer.Testing"], package => !File.Exists(Path.Combine(packages, $"{package}.{PluginTemplate.Version}.nupkg")));
        return missing is null
            ? null
            : $"there is no {missing}.{PluginTemplate.Version}.nupkg in {packages}; make it in a clone of PluginServer: dotnet pack {(missing.EndsWith("Testing", StringComparison.Ordinal) ? "plugin-testing" : "plugin-abstractions")} -o {packages}";
    }

    private static void Print(Report report, string name, string folder, string? packages)
    {
        report.Line($"{folder}: plugin {name} and its tests");
        report.Line($"test it: dotnet test {Path.Combine(folder, name + ".Tests")}");
        report.Line($"publish it: dotnet publish {Path.Combine(folder, name)} -o PLUGINDIRECTORY/{name}");
        report.Line($$"""serve it, by a line among the endpoints of plugins.json: { "port": 7001, "plugin": "{{name}}" }""");
        if (packages is null)
        {
            report.Line($"note: its packages, PluginServer.Abstractions and PluginServer.Testing {PluginTemplate.Version}, come from the package sources of this machine; {Path.Combine(folder, "README.md")} says how to make them if those have none");
        }
    }

    // ASCII, as plugin names are.
    [GeneratedRegex(@"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\z", RegexOptions.CultureInvariant)]
    private static partial Regex Namespace { get; }
}
