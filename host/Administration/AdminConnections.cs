using Microsoft.AspNetCore.Connections;

namespace PluginServer.Administration;

/// <summary>How many clients the port has at a time. Not the server's own limit, which would count those of the control socket too: however many
/// follow the events, an operator at the command line is heard.</summary>
internal sealed class AdminConnections
{
    /// <summary>Who comes beyond these is closed at once.</summary>
    public const int Most = 200;

    private int _count;

    public ConnectionDelegate Limit(ConnectionDelegate next) => async connection =>
    {
        try
        {
            if (Interlocked.Increment(ref _count) <= Most)
            {
                await next(connection);
            }
        }
        finally
        {
            Interlocked.Decrement(ref _count);
        }
    };
}
