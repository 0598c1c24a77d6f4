using System.Collections;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace PluginServer.Tests.Support;

/// <summary>systemd-socket-activate: it opens ports, and with the first client it becomes what it is told to start.</summary>
internal static class SocketActivation
{
    public const string Tool = "systemd-socket-activate";

    /// <summary>As a manager does: the socket stays open over all that are started, one after the other, as long as each exits with 0.</summary>
    private static readonly string[] _manager = ["sh", "-c", """while sh -c 'LISTEN_PID=$$; exec "$@"' sh "$@"; do :; done""", "sh"];

    /// <summary>A launcher in between, which has the number that the sockets are meant for.</summary>
    private static readonly string[] _launcher = ["sh", "-c", "\"$@\"; exit $?", "sh"];

    /// <summary>A wrapper that becomes the host.</summary>
    public static string[] Becoming(params (IPEndPoint Address, string Name)[] sockets) =>
    [
        Tool,
        .. sockets.SelectMany(socket => new[] { "-l", socket.Address.ToString() }),
        $"--fdname={string.Join(':', sockets.Select(socket => socket.Name))}",

        // It passes little else on.
        .. Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Where(variable => ((string)variable.Key).StartsWith("DOTNET_", StringComparison.Ordinal)).Select(variable => $"-E{variable.Key}"),
    ];

    /// <summary>A wrapper that stays, keeps the sockets, and starts the host again whenever it has stopped clean.</summary>
    public static string[] Restarting(params (IPEndPoint Address, string Name)[] sockets) => [.. Becoming(sockets), .. _manager];

    /// <summary>A wrapper as it should not be.</summary>
    public static string[] Launching(params (IPEndPoint Address, string Name)[] sockets) => [.. Becoming(sockets), .. _launcher];

    /// <summary>A client as soon as somebody listens there.</summary>
    public static async Task<Client> ConnectAsync(IPEndPoint address)
    {
        for (var watch = Stopwatch.StartNew(); ;)
        {
            try
            {
                return await Client.ConnectAsync(address);
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionRefused && watch.Elapsed < Deadline.Length)
            {
                // It is about to.
                await Task.Delay(TimeSpan.FromMilliseconds(10));
            }
        }
    }

    public static IPEndPoint FreeAddress()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return (IPEndPoint)probe.LocalEndPoint!;
    }
}
