namespace PluginServer.Administration;

/// <summary>Where a command writes: results to the output, what went wrong to the error stream.</summary>
/// <param name="Output">For results.</param>
/// <param name="Error">For what went wrong.</param>
/// <param name="IsTerminal">Whether a person reads the output, and not a program.</param>
/// <param name="IsPlain">Without colour and style, see https://no-color.org.</param>
internal sealed record CommandContext(TextWriter Output, TextWriter Error, bool IsTerminal, bool IsPlain = false)
{
    public Report Report { get; } = new(Output, IsTerminal, IsPlain);

    /// <summary>For what a person would be told, where a program reads the output.</summary>
    public Report Silent { get; } = new(TextWriter.Null, false, true);

    /// <summary>Writes the lines to the error stream, for exit code 1.</summary>
    public int Fail(IEnumerable<string> lines)
    {
        foreach (var line in lines)
        {
            Error.WriteLine(line);
        }

        return 1;
    }

    /// <summary>Says that no host answers.</summary>
    public int NoHost(NoHostException problem)
    {
        Error.WriteLine(problem.Message);
        return CommandLine.NoHost;
    }
}

/// <summary>The shape of log lines.</summary>
internal enum LogFormat
{
    /// <summary>One line of text each.</summary>
    Text,

    /// <summary>One JSON object each.</summary>
    Json,
}
