using Spectre.Console;

namespace PluginServer.Administration;

/// <summary>Tables for a person at a terminal, aligned plain lines for a pipe.</summary>
internal sealed class Report(TextWriter output, bool isTerminal)
{
    public void Line(string text) => output.WriteLine(text);

    public void Table(string[] columns, IReadOnlyList<string[]> rows)
    {
        if (isTerminal)
        {
            var table = new Table().Border(TableBorder.Rounded);
            table.AddColumns([.. columns.Select(column => new TableColumn(new Text(column, new Style(decoration: Decoration.Bold))).NoWrap())]);
            foreach (var row in rows)
            {
                table.AddRow(row.Select(cell => new Text(cell)));
            }

            AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(output) }).Write(table);
            return;
        }

        var widths = columns.Select((column, index) => rows.Select(row => row[index].Length).Append(column.Length).Max()).ToArray();
        foreach (var row in rows.Prepend(columns))
        {
            output.WriteLine(string.Join("  ", row.Select((cell, index) => cell.PadRight(widths[index]))).TrimEnd());
        }
    }
}
