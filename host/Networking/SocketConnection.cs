using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>One connected socket of <see cref="SocketTransport"/>.</summary>
/// <remarks>
/// The descriptor is safe against reuse: every call holds a reference on the socket's handle, so an Abort from another thread
/// closes it only when the last call has returned, and later calls get ObjectDisposedException.
/// </remarks>
internal sealed class SocketConnection(SocketTransport transport, Socket socket, ConnectionLimits limits) : PipedConnection(limits, transport.Blocks)
{
    private const int TcpLevel = 6;
    private const int TcpInfo = 11;

    /// <summary>The handler's continuation restores its own execution context.</summary>
    private const bool SuppressContext = true;
    private readonly Lock _closing = new();
    private ReceiveWait? _receiveWait;
    private SendWait? _sendWait;

    public override BlockPool Blocks => transport.Blocks;

    public override bool IsEventDriven => false;

    public override WireInfo Wire
    {
        get
        {
            if (!OperatingSystem.IsLinux() || socket.ProtocolType != ProtocolType.Tcp)
            {
                return default;
            }

            Span<byte> info = stackalloc byte[WireInfo.Length];
            try
            {
                return socket.GetRawSocketOption(TcpLevel, TcpInfo, info) == info.Length ? WireInfo.Of(info) : default;
            }
            catch (Exception error) when (error is SocketException or ObjectDisposedException)
            {
                return default;
            }
        }
    }

    protected override TimeProvider Time => transport.Time;

    public override int Receive(Span<byte> target, out SocketError error)
    {
        try
        {
            var count = socket.Receive(target, SocketFlags.None, out error);
            return error == SocketError.Success ? count : Failed(ref error);
        }
        catch (ObjectDisposedException)
        {
            error = SocketError.OperationAborted;
            return -1;
        }
    }

    public override int Send(ReadOnlySpan<byte> source, out SocketError error)
    {
        try
        {
            var count = socket.Send(source, SocketFlags.None, out error);
            return error == SocketError.Success ? count : Failed(ref error) + 1;
        }
        catch (ObjectDisposedException)
        {
            error = SocketError.OperationAborted;
            return 0;
        }
    }

    public override SocketError ShutDownSending()
    {
        try
        {
            socket.Shutdown(SocketShutdown.Send);
            return SocketError.Success;
        }
        catch (SocketException failure)
        {
            return failure.SocketErrorCode;
        }
        catch (ObjectDisposedException)
        {
            return SocketError.OperationAborted;
        }
    }

    public override bool Peek(out SocketError error)
    {
        try
        {
            Span<byte> one = stackalloc byte[1];
            socket.Receive(one, SocketFlags.Peek, out error);
            return error == SocketError.Success || Failed(ref error) >= 0;
        }
        catch (ObjectDisposedException)
        {
            error = SocketError.OperationAborted;
            return false;
        }
    }

    public override bool WaitForArrival(out SocketError error)
    {
        var wait = _receiveWait ??= new ReceiveWait(this);
        try
        {
            var waits = socket.ReceiveAsync(wait);
            error = waits ? SocketError.Success : wait.SocketError;
            return waits;
        }
        catch (ObjectDisposedException)
        {
            error = SocketError.OperationAborted;
            return false;
        }
    }

    public override bool WaitForRoom(Memory<byte> front, out int sent, out SocketError error)
    {
        var wait = _sendWait ??= new SendWait(this);
        wait.SetBuffer(front);
        try
        {
            var waits = socket.SendAsync(wait);
            (sent, error) = waits ? (0, SocketError.Success) : (wait.BytesTransferred, wait.SocketError);
            return waits;
        }
        catch (ObjectDisposedException)
        {
            (sent, error) = (0, SocketError.OperationAborted);
            return false;
        }
    }

    public override void Release(bool input)
    {
        if (input)
        {
            _receiveWait?.Dispose();
        }
        else
        {
            _sendWait?.Dispose();
        }
    }

    protected override void StartHandler()
    {
        if (Owner!.Dispatch is { IsOwn: true } own)
        {
            // What the handler awaits there goes on there.
            own.Run(static owner => ((IConnectionOwner)owner!).Run(), Owner);
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(static owner => owner.Run(), Owner, preferLocal: false);
        }
    }

    protected override void Close(Ending ending, bool reset)
    {
        lock (_closing)
        {
            if (!TryEnd(ending))
            {
                return;
            }

            CloseDescriptor(reset);
        }

        TellEnd();
    }

    protected override void CloseDescriptor(bool reset)
    {
        try
        {
            if (reset)
            {
                socket.LingerState = new LingerOption(enable: true, seconds: 0);
            }
        }
        catch (SocketException)
        {
            // It is closed either way; a peer that has gone already does not miss the reset.
        }

        socket.Dispose();
    }

    private static int Failed(ref SocketError error)
    {
        if (error == SocketError.WouldBlock)
        {
            error = SocketError.Success;
        }

        return -1;
    }

    private void OnArrival(SocketError error)
    {
        if (!Receiver.OnArrival(error, ended: false))
        {
            return;
        }

        // Outside the input's lock, because the handler runs in here; it is claimed, so nobody else completes it.
        if (Receiver.Departs)
        {
            transport.Departures.Add(Receiver);
        }
        else
        {
            Receiver.Resume();
        }
    }

    private void OnRoom(int sent, SocketError error)
    {
        if (Sender.OnRoom(sent, error))
        {
            Sender.Resume();
        }
    }

    /// <summary>A receive of no bytes: it ends when there is something to receive, and holds no memory until then.</summary>
    private sealed class ReceiveWait(SocketConnection connection) : SocketAsyncEventArgs(SuppressContext)
    {
        protected override void OnCompleted(SocketAsyncEventArgs e) => connection.OnArrival(e.SocketError);
    }

    /// <summary>A send of the front of the queue: it ends when the kernel has taken all of it.</summary>
    private sealed class SendWait(SocketConnection connection) : SocketAsyncEventArgs(SuppressContext)
    {
        protected override void OnCompleted(SocketAsyncEventArgs e) => connection.OnRoom(e.BytesTransferred, e.SocketError);
    }
}
