using System.Text.RegularExpressions;

namespace PluginServer.Tests;

/// <summary>The host's folders are one straight line: each uses only those to its right.</summary>
internal sealed class LayeringTests
{
    // Left uses right. Diagnostics stands beside the line: used by all, it uses none.
    private static readonly string[] Line = ["Administration", "Supervision", "Networking", "Plugins", "Configuration"];

    [TestCaseSource(nameof(Files))]
    public void A_file_uses_only_folders_to_the_right_of_its_own(string file)
    {
        var folder = Path.GetFileName(Path.GetDirectoryName(file))!;
        var allowed = folder == "Diagnostics" ? [] : Line.Skip(Array.IndexOf(Line, folder)).Append("Diagnostics").ToList();
        var used = Regex.Matches(File.ReadAllText(file), $@"\bPluginServer\.({string.Join('|', Line)}|Diagnostics)\b")
            .Select(match => match.Groups[1].Value);
        Assert.That(used.Except([folder]).Except(allowed), Is.Empty, $"{folder} may use {(allowed.Count == 0 ? "nothing" : string.Join(", ", allowed))}");
    }

    [Test]
    public void Every_folder_has_its_place_in_the_line() =>
        Assert.That(Files().Select(file => Path.GetFileName(Path.GetDirectoryName(file))).Distinct(), Is.EquivalentTo(Line.Append("Diagnostics")));

    private static IEnumerable<string> Files() => Directory
        .EnumerateDirectories(Path.Combine(Repository.Root, "host"))
        .Where(folder => Path.GetFileName(folder) is not ("bin" or "obj"))
        .SelectMany(folder => Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories));
}
