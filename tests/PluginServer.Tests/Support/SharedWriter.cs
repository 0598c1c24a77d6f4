using System.Text;

namespace PluginServer.Tests.Support;

/// <summary>What a command writes, to be looked at while it goes on.</summary>
internal sealed class SharedWriter : TextWriter
{
    private readonly Lock _gate = new();
    private readonly StringBuilder _written = new();

    public override Encoding Encoding => Encoding.UTF8;

    public override void Write(char value)
    {
        lock (_gate)
        {
            _written.Append(value);
        }
    }

    public override void Write(string? value)
    {
        lock (_gate)
        {
            _written.Append(value);
        }
    }

    public override void WriteLine(string? value) => Write(value + NewLine);

    public override string ToString()
    {
        lock (_gate)
        {
            return _written.ToString();
        }
    }
}
