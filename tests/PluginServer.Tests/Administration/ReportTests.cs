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

    [Test]
    public void A_screen_is_drawn_over_the_one_before_it_and_what_is_left_of_that_is_erased()
    {
        using var output = new StringWriter();
        var report = new Report(output, isTerminal: true, plain: false);
        report.Screen(static screen =>
        {
            screen.Line("one");
            screen.Line("two");
        });
        report.Screen(static screen => screen.Line("three"));
        Assert.That(output.ToString(), Is.EqualTo("\e[Hone\e[K\ntwo\e[K\n\e[J\e[Hthree\e[K\n\e[J"));
    }

    [TestCase(false, false)]
    [TestCase(false, true)]
    [TestCase(true, true)]
    public void Where_nothing_can_be_drawn_over_screens_come_one_after_the_other(bool isTerminal, bool plain)
    {
        using var output = new StringWriter();
        var report = new Report(output, isTerminal, plain);
        report.Screen(static screen => screen.Line("one"));
        report.Screen(static screen => screen.Table(Columns, Rows));
        report.Screen(static screen => screen.Line("three"));
        Assert.That(output.ToString(), Is.EqualTo($"one\n\n{Write(isTerminal, plain)}\nthree\n\n").And.Not.Contain("\e"));
    }

    [Test]
    public void A_screen_has_its_tables_as_a_terminal_does()
    {
        using var output = new StringWriter();
        new Report(output, isTerminal: true, plain: false).Screen(static screen => screen.Table(Columns, Rows));
        Assert.That(output.ToString(), Does.Contain("│\e[K\n"));
    }

    [Test]
    public void Progress_is_one_line_over_which_the_next_is_written_and_which_leaves_nothing([Values] bool plain)
    {
        using var output = new StringWriter();
        var report = new Report(output, isTerminal: true, plain);
        report.Progress("draining", 0, 4, "1000 inside");
        report.Progress("draining", 1, 4, "3 inside");
        report.Progress("draining", 4, 4, "none inside, or so");
        report.Progress("draining", 0, 0, "0 inside");
        report.EndProgress();
        report.Line("done");
        var lines = output.ToString().Split('\r');
        Assert.That(lines, Is.EqualTo(new[]
        {
            "",
            "draining [..............................] 1000 inside",
            "draining [#######.......................] 3 inside   ",
            "draining [##############################] none inside, or so",
            "draining [##############################] 0 inside          ",
            new string(' ', "draining [##############################] 0 inside".Length),
            "done\n",
        }));
    }

    private static string Write(bool isTerminal, bool plain)
    {
        using var output = new StringWriter();
        new Report(output, isTerminal, plain).Table(Columns, Rows);
        return output.ToString();
    }
}
