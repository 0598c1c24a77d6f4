using System.IO.Pipelines;
using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>One connected socket as a pair of pipes.</summary>
/// <remarks>
/// Each pipe has a lock of its own, never held while this class or the other pipe is called. The descriptor is safe
/// against reuse: every call holds a reference on the socket's handle, so an Abort from another thread closes it only
/// when the last call has returned, and later calls get ObjectDisposedException.
/// </remarks>
internal sealed class SocketConnection : TransportConnection
{
    private const int TcpLevel = 6;
    private const int TcpInfo = 11;
    private readonly Lock _closing = new();
    private readonly SocketInput _input;
    private readonly SocketOutput _output;
    private readonly TimeProvider _time;
    private Ending? _ending;
    private CancellationTokenSource? _closed;

    public SocketConnection(Socket socket, ConnectionLimits limits, BlockPool pool, Departures departures, TimeProvider time)
    {
        Socket = socket;
        _time = time;
        _input = new SocketInput(this, limits, pool, departures);
        _output = new SocketOutput(this, pool);
    }

    public Socket Socket { get; }

    public override PipeReader Input => _input;

    public override PipeWriter Output => _output;

    public override long BytesReceived => _input.Received;

    public override long BytesSent => _output.Sent;

    public override long BytesOnWire
    {
        get
        {
            if (!OperatingSystem.IsLinux() || Socket.ProtocolType != ProtocolType.Tcp)
            {
                return 0;
            }

            // linux/tcp.h: tcpi_bytes_acked and tcpi_bytes_received; older kernels fill less of it.
            Span<byte> info = stackalloc byte[136];
            try
            {
                return Socket.GetRawSocketOption(TcpLevel, TcpInfo, info) == info.Length ? BitConverter.ToInt64(info[120..]) + BitConverter.ToInt64(info[128..]) : 0;
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                return 0;
            }
        }
    }

    public override (CloseCause Cause, string? Reason) End => Ending is { } ending ? (ending.Cause, ending.Reason) : (CloseCause.None, null);

    /// <summary>Null while it is open.</summary>
    public Ending? Ending => Volatile.Read(ref _ending);

    public override CancellationToken Closed
    {
        get
        {
            if (Volatile.Read(ref _closed) is { } known)
            {
                return known.Token;
            }

            if (Ending is not null)
            {
                return new CancellationToken(canceled: true);
            }

            var fresh = new CancellationTokenSource();
            var source = Interlocked.CompareExchange(ref _closed, fresh, null) ?? fresh;

            // Whoever ends it sets the ending and then looks for the source; this does the reverse. One of them sees the other.
            if (Ending is not null)
            {
                CancelOnPool(source);
            }
            else
            {
                _input.Watch();
            }

            return source.Token;
        }
    }

    public override void Abort(CloseCause cause, string reason) => Close(new Ending(cause, reason), reset: true);

    /// <summary>The socket has failed: ends the connection, unless it has ended already and that is why.</summary>
    /// <returns>What to tell the caller of a read or flush.</returns>
    public ConnectionClosedException Lost(SocketError error)
    {
        Abort(CloseCause.Reset, error switch
        {
            SocketError.ConnectionReset or SocketError.Shutdown or SocketError.NotConnected or SocketError.ConnectionAborted => "The peer reset the connection.",
            _ => $"The connection was lost: {error}.",
        });
        return Ending!.ToException();
    }

    public override async Task FinishAsync()
    {
        _input.Leave();
        if (await _output.FinishAsync())
        {
            await _input.DiscardAsync(_time);
        }

        // FIN is sent, so what the kernel still holds is delivered although a wait may be pending on the socket;
        // without it, Dispose would end that wait by a reset. The socket of an aborted connection is closed here at the latest.
        Close(Ending.Orderly, reset: false);
        await _input.ReleaseAsync();
        await _output.ReleaseAsync();
    }

    private void Close(Ending ending, bool reset)
    {
        // The lock is for FinishAsync, which must not go on before another thread's Abort has closed the socket.
        lock (_closing)
        {
            if (Interlocked.CompareExchange(ref _ending, ending, null) is not null)
            {
                return;
            }

            if (reset)
            {
                SetReset();
            }

            Socket.Dispose();
        }

        _input.End();
        _output.End();
        if (Volatile.Read(ref _closed) is { } closed)
        {
            CancelOnPool(closed);
        }
    }

    private void SetReset()
    {
        try
        {
            Socket.LingerState = new LingerOption(enable: true, seconds: 0);
        }
        catch (SocketException)
        {
            // It is closed either way; a peer that has gone already does not miss the reset.
        }
    }

    private void CancelOnPool(CancellationTokenSource source) => ThreadPool.UnsafeQueueUserWorkItem(
        static state =>
        {
            try
            {
                state.Source.Cancel();
            }
            catch (AggregateException errors)
            {
                state.Connection.CallbacksFailed?.Invoke(errors);
            }
        },
        (Source: source, Connection: this),
        preferLocal: false);
}
