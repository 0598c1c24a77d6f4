namespace PluginServer.Supervision;

/// <summary>The host cannot start; each line says where, what is wrong and what to do.</summary>
internal sealed class StartException(IReadOnlyList<string> lines) : Exception(string.Join(Environment.NewLine, lines))
{
    public StartException(string line)
        : this([line])
    {
    }

    public IReadOnlyList<string> Lines => lines;
}
