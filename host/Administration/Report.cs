using Spectre.Console;

namespace PluginServer.Administration;

/// <summary>Tables for a person at a terminal, without colour and style if that is asked for; aligned lines for a pipe.</summary>
internal sealed class Report(TextWriter output, bool isTerminal, bool plain)
{
    /// <summary>Spectre.Console makes its table of the widths of characters at the first use, and not safely for two threads.</summary>
    private static readonly Lock _writing = new();

    private const int BarWidth = 30;
    private const string Home = "\e[H";
    private const string ToEndOfLine = "\e[K";
    private const string ToEndOfScreen = "\e[J";
    private int _progress;

    public void Line(string text) => output.WriteLine(text);

    /// <summary>Draws over what was drawn before: on a terminal that can, in the same place.</summary>
    public void Screen(Action<Report> draw)
    {
        if (!isTerminal || plain)
        {
            draw(this);
            output.WriteLine();
            return;
        }

        using var screen = new StringWriter();
        draw(new Report(screen, isTerminal, plain));
        output.Write(Home + screen.ToString().ReplaceLineEndings(ToEndOfLine + Environment.NewLine) + ToEndOfScreen);
    }

    /// <summary>How far something has come, on a line that the next call draws over.</summary>
    public void Progress(string what, int done, int total, string note)
    {
        var filled = total == 0 ? BarWidth : BarWidth * done / total;
        var line = $"{what} [{new string('#', filled)}{new string('.', BarWidth - filled)}] {note}";
        output.Write($"\r{line.PadRight(_progress)}");
        output.Flush();
        _progress = line.Length;
    }

    /// <summary>What is written next begins on a line of its own.</summary>
    public void EndProgress() => output.Write($"\r{new string(' ', _progress)}\r");

    public void Table(string[] columns, IReadOnlyList<string[]> rows)
    {
        var widths = columns.Select((column, index) => rows.Select(row => row[index].Length).Append(column.Length).Max()).ToArray();
        if (isTerminal)
        {
            var table = new Table().Border(TableBorder.Rounded);
            table.AddColumns([.. columns.Select(column => new TableColumn(new Text(column, new Style(decoration: Decoration.Bold))).NoWrap())]);
            foreach (var row in rows)
            {
                table.AddRow(row.Select(cell => new Text(cell)));
            }

            var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output), Ansi = plain ? AnsiSupport.No : AnsiSupport.Yes });

            // A hash that is broken into pieces cannot be copied: the terminal may wrap the line, the table does not.
            console.Profile.Width = widths.Sum(width => width + 3) + 1;
            lock (_writing)
            {
                console.Write(table);
            }

            return;
        }

        foreach (var row in rows.Prepend(columns))
        {
            output.WriteLine(string.Join("  ", row.Select((cell, index) => cell.PadRight(widths[index]))).TrimEnd());
        }
    }
}
