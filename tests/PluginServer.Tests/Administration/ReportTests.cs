using PluginServer.Administration;

namespace PluginServer.Tests.Administration;

/// <summary>Tables for people, lines for programs.</summary>
internal sealed class ReportTests
{
    private static readonly string[] Columns = ["Plugin", "sha256"];
    private static readonly string[][] Rows = [["Echo", new string('a', 64)], ["Shout-loudly", new string('b', 64)]];

    [Test]
    public void A_pipe_gets_aligned_lines() =>
        Assert.That(Write(isTerminal: false, plain: false), Is.EqualTo($"Plugin        sha256\nEcho          {new string('a', 64)}\nShout-loudly  {new string('b', 64)}\n"));

    [Test]
    public void A_terminal_gets_a_table_whose_cells_are_never_broken()
    {
        var table = Write(isTerminal: true, plain: false);
        Assert.That(table, Does.Contain("│ Echo         │ " + new string('a', 64) + " │"));
        Assert.That(table, Does.Contain("\e["));
    }

    [Test]
    public void Without_colour_there_is_no_escape_sequence()
    {
        var table = Write(isTerminal: true, plain: true);
        Assert.That(table, Does.Contain("│ Echo "));
        Assert.That(table, Does.Not.Contain("\e"));
    }

    private static string Write(bool isTerminal, bool plain)
    {
        using var output = new StringWriter();
        new Report(output, isTerminal, plain).Table(Columns, Rows);
        return output.ToString();
    }
}
