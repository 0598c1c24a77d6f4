using System.Net.Sockets;

namespace PluginServer.Testing;

/// <summary>A socket's stream that sends in pieces, each when the host has received the one before: a kernel would put them together again.</summary>
/// <param name="socket">The client's; owned.</param>
/// <param name="size">Of a piece.</param>
/// <param name="received">How many bytes the host has received of this client; null while, or when, it has no connection of it.</param>
internal sealed class PacedStream(Socket socket, int size, Func<long?> received) : NetworkStream(socket, ownsSocket: true)
{
    private long _sent;
    private bool _waits;
    private bool _wasInside;

    /// <summary>The host has, or will have, a connection of this client: nothing is held up any more that comes before one.</summary>
    public void WaitFromNowOn() => _waits = true;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            var piece = buffer[..Math.Min(size, buffer.Length)];
            await base.WriteAsync(piece, cancellationToken);
            _sent += piece.Length;
            buffer = buffer[piece.Length..];
            while (_waits && !HasArrived())
            {
                await Task.Delay(Patience.Look, cancellationToken);
            }
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    private bool HasArrived()
    {
        var count = received();
        _wasInside |= count is not null;
        return count is null ? _wasInside || HasEnded() : count >= _sent;
    }

    private bool HasEnded() => Socket.Poll(0, SelectMode.SelectRead) && Socket.Available == 0;
}
