using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;

namespace PluginServer.Administration;

/// <summary>The sockets that administration listens on; one that cannot be had is logged and costs the host nothing else.</summary>
internal sealed class AdminListeners : IDisposable
{
    private readonly string _controlPath;

    private AdminListeners(Socket? http, Socket? control, string controlPath)
    {
        Http = http;
        Control = control;
        _controlPath = controlPath;
    }

    /// <summary>Null where it is disabled or could not be had.</summary>
    public Socket? Http { get; }

    /// <summary>Null where it could not be had.</summary>
    public Socket? Control { get; }

    public IEnumerable<Socket> All => new[] { Http, Control }.OfType<Socket>();

    public static AdminListeners Open(ServerConfig config, ILogger log)
    {
        var path = ControlSocket.PathIn(config.StateDirectory);
        return new AdminListeners(config.Admin.Enabled ? OpenHttp(config.Admin, log) : null, OpenControl(path, log), path);
    }

    public void Dispose()
    {
        foreach (var socket in All)
        {
            socket.Dispose();
        }

        if (Control is not null)
        {
            File.Delete(_controlPath);
        }
    }

    private static Socket? OpenHttp(AdminConfig config, ILogger log)
    {
        Socket? socket = null;
        try
        {
            var address = config.Address ?? (Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any);
            socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            if (address.AddressFamily == AddressFamily.InterNetworkV6)
            {
                socket.DualMode = config.Address is null;
            }

            socket.Bind(new IPEndPoint(address, config.Port));

            // Now, and not when the server starts: two sockets may be bound to one port until one of them listens.
            socket.Listen();
            return socket;
        }
        catch (SocketException error)
        {
            socket?.Dispose();
            Log.AdministrationUnavailable(log, Explain(error.SocketErrorCode, config));
            return null;
        }
    }

    private static Socket? OpenControl(string path, ILogger log)
    {
        try
        {
            return ControlSocket.Listen(path);
        }
        catch (Exception error) when (error is SocketException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            Log.ControlSocketUnavailable(log, $"{path}: {error.Message}");
            return null;
        }
    }

    private static string Explain(SocketError error, AdminConfig config) => error switch
    {
        SocketError.AddressAlreadyInUse => $"port {config.Port} is in use{(PortOwner.Find(config.Port) is { } owner ? $" by {owner}" : "")}; choose another with \"admin\": {{ \"port\": ... }}",
        SocketError.AccessDenied => $"port {config.Port} needs more rights than this process has; choose one above 1023 with \"admin\": {{ \"port\": ... }}",
        _ => $"cannot listen on {config.AddressText}, port {config.Port}: {error}",
    };
}
