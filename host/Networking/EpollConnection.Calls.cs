using System.Net.Sockets;

namespace PluginServer.Networking;

/// <content>The system calls, none of which is on a descriptor that is closed.</content>
internal sealed unsafe partial class EpollConnection
{
    public override WireInfo Wire
    {
        get
        {
            if (!Enter())
            {
                return default;
            }

            var wire = Libc.Wire(_descriptor);
            Leave();
            return wire;
        }
    }

    public override int Receive(Span<byte> target, out SocketError error)
    {
        fixed (byte* start = target)
        {
            return Transfer(sends: false, start, target.Length, out error);
        }
    }

    public override int Send(ReadOnlySpan<byte> source, out SocketError error)
    {
        fixed (byte* start = source)
        {
            return Math.Max(Transfer(sends: true, start, source.Length, out error), 0);
        }
    }

    public override SocketError ShutDownSending()
    {
        if (!Enter())
        {
            return SocketError.OperationAborted;
        }

        _transport.BeforeCall?.Invoke();
        var error = Libc.ShutDown(_descriptor, Libc.ShutWrite) < 0 ? Libc.ErrorOf(Libc.LastError) : SocketError.Success;
        Leave();
        return error;
    }

    public override bool Peek(out SocketError error) => throw new NotSupportedException();

    protected override void CloseDescriptor(bool reset)
    {
        if (!Enter())
        {
            return;
        }

        if (reset)
        {
            Libc.ResetOnClose(_descriptor);
        }

        Interlocked.Or(ref _state, Closing);
        Leave();
        StartElsewhere();
    }

    private int Transfer(bool sends, byte* bytes, int length, out SocketError error)
    {
        if (!Enter())
        {
            error = SocketError.OperationAborted;
            return -1;
        }

        _transport.BeforeCall?.Invoke();
        nint count;
        int number;
        do
        {
            count = sends ? Libc.Send(_descriptor, bytes, length) : Libc.Receive(_descriptor, bytes, length);
            number = count < 0 ? Libc.LastError : 0;
        }
        while (number == Libc.Interrupted);
        Leave();
        error = number == Libc.WouldBlock ? SocketError.Success : Libc.ErrorOf(number);
        return (int)count;
    }

    private bool Enter()
    {
        if ((Interlocked.Add(ref _state, Reference) & Closing) == 0)
        {
            return true;
        }

        Leave();
        return false;
    }

    private void Leave()
    {
        if (Interlocked.Add(ref _state, -Reference) == Closing && Interlocked.CompareExchange(ref _state, Closing | Gone, Closing) == Closing)
        {
            _transport.Loop.Targets.Forget(_descriptor);
            _ = Libc.Close(_descriptor);
        }
    }
}
