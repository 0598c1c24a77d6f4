namespace PluginServer.Testing;

/// <summary>The plugin cannot be found, built, loaded or swapped; the message is what an operator would be told.</summary>
public sealed class PluginHostException : Exception
{
    /// <summary>One line for each error.</summary>
    /// <param name="errors">What is wrong.</param>
    public PluginHostException(IReadOnlyList<string> errors)
        : base(string.Join(Environment.NewLine, errors)) => Errors = errors;

    /// <summary>One error.</summary>
    /// <param name="message">What is wrong.</param>
    public PluginHostException(string message)
        : this([message])
    {
    }

    /// <summary>What is wrong, each where, what and what to do.</summary>
    public IReadOnlyList<string> Errors { get; }
}
