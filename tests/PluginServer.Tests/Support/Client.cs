using System.Net;
using System.Net.Sockets;
using System.Text;

namespace PluginServer.Tests.Support;

/// <summary>A plain client over TCP or a Unix socket, every wait with a deadline.</summary>
internal sealed class Client : IDisposable
{
    private readonly byte[] _one = new byte[1];

    private Client(Socket socket) => Socket = socket;

    public Socket Socket { get; }

    /// <param name="server">Where it listens.</param>
    /// <param name="patience">Ends the wait for a server that does not accept: a full backlog keeps clients for minutes. By default the deadline does.</param>
    /// <param name="from">An address of this machine to come from; by default the system's choice.</param>
    /// <param name="receiveBuffer">How much the kernel takes for a client that does not read; 0 leaves it to the system.</param>
    public static async Task<Client> ConnectAsync(EndPoint server, CancellationToken? patience = null, IPAddress? from = null, int receiveBuffer = 0)
    {
        var socket = server is UnixDomainSocketEndPoint
            ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (receiveBuffer > 0)
            {
                // Before the connection, which agrees on a window.
                socket.ReceiveBufferSize = receiveBuffer;
            }

            if (from is not null)
            {
                socket.Bind(new IPEndPoint(from, 0));
            }

            await socket.ConnectAsync(server, patience ?? Deadline.Token);
            return new Client(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public async Task SendAsync(string text) => await SendAsync(Encoding.UTF8.GetBytes(text));

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[await Socket.SendAsync(bytes, Deadline.Token)..];
        }
    }

    public void SendFin() => Socket.Shutdown(SocketShutdown.Send);

    /// <summary>Everything up to the peer's FIN.</summary>
    public async Task<byte[]> ReadToEndAsync()
    {
        using var all = new MemoryStream();
        var buffer = new byte[64 * 1024];
        int read;
        while ((read = await Socket.ReceiveAsync(buffer, Deadline.Token)) > 0)
        {
            all.Write(buffer, 0, read);
        }

        return all.ToArray();
    }

    public async Task<string> ReadTextToEndAsync() => Encoding.UTF8.GetString(await ReadToEndAsync());

    /// <summary>One line without its end; fails at a FIN.</summary>
    public async Task<string> ReadLineAsync()
    {
        var line = new StringBuilder();
        while (true)
        {
            Assert.That(await Socket.ReceiveAsync(_one, Deadline.Token), Is.EqualTo(1), $"FIN after '{line}'");
            if (_one[0] == '\n')
            {
                return line.ToString();
            }

            line.Append((char)_one[0]);
        }
    }

    /// <summary>Reads on until the connection ends; true when that was a reset.</summary>
    public async Task<bool> EndsInResetAsync()
    {
        try
        {
            await ReadToEndAsync();
            return false;
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
        {
            return true;
        }
    }

    /// <summary>Closes by a reset.</summary>
    public void Reset()
    {
        Socket.LingerState = new LingerOption(true, 0);
        Socket.Dispose();
    }

    public void Dispose() => Socket.Dispose();
}
