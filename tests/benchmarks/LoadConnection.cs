using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;

namespace PluginServer.Benchmarks;

/// <summary>One client's connection, plain or encrypted.</summary>
internal sealed class LoadConnection : IDisposable
{
    private readonly Socket _socket;
    private readonly SslStream? _tls;

    private LoadConnection(Socket socket, SslStream? tls) => (_socket, _tls) = (socket, tls);

    public static async Task<LoadConnection> OpenAsync(Scenario scenario, int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        SslStream? tls = null;
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port);
            if (scenario.Tls != SslProtocols.None)
            {
                tls = new SslStream(new NetworkStream(socket, ownsSocket: false));
                await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
                {
                    TargetHost = ServerCertificateFiles.Host,
                    EnabledSslProtocols = scenario.Tls,
                    RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate?.Subject == $"CN={ServerCertificateFiles.Host}",
                });
            }

            return new LoadConnection(socket, tls);
        }
        catch
        {
            tls?.Dispose();
            socket.Dispose();
            throw;
        }
    }

    /// <summary>All of them.</summary>
    public async ValueTask SendAsync(ReadOnlyMemory<byte> bytes)
    {
        if (_tls is not null)
        {
            await _tls.WriteAsync(bytes);
            return;
        }

        await _socket.SendAsync(bytes);
    }

    /// <summary>What has come; 0 is the end.</summary>
    public ValueTask<int> ReceiveAsync(Memory<byte> bytes) => _tls?.ReadAsync(bytes) ?? _socket.ReceiveAsync(bytes);

    /// <summary>Nothing more is sent.</summary>
    public async Task ShutDownAsync()
    {
        if (_tls is not null)
        {
            await _tls.ShutdownAsync();
        }

        _socket.Shutdown(SocketShutdown.Send);
    }

    public void Dispose()
    {
        _tls?.Dispose();
        _socket.Dispose();
    }
}
