using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>What an accept error means for the acceptor; see accept(2), "Errors".</summary>
internal enum AcceptFault
{
    /// <summary>The listening socket is gone.</summary>
    Stop,

    /// <summary>The machine is short of something, or the error is not known: wait before the next try.</summary>
    BackOff,

    /// <summary>That connection is gone; the next one may be fine.</summary>
    Continue,
}

/// <summary>Sorts accept errors into the three kinds.</summary>
/// <remarks>On Linux the runtime makes TooManyOpenSockets of EMFILE and ENFILE, OperationAborted of EBADF and ECANCELED,
/// AccessDenied of EPERM and EACCES, and the nameless SocketError of what it has no name for: ENOMEM, EPROTO, ENONET, ENOSR.</remarks>
internal static class AcceptFaults
{
    /// <summary>How it is named in metrics.</summary>
    public static string Name(Exception error) => error is SocketException socket ? socket.SocketErrorCode.ToString() : error.GetType().Name;

    public static AcceptFault Classify(SocketError error) => error switch
    {
        SocketError.OperationAborted or SocketError.NotSocket or SocketError.Shutdown or SocketError.InvalidArgument => AcceptFault.Stop,

        // accept(2): Linux passes errors of the new connection on; they are to be treated like EAGAIN.
        SocketError.ConnectionAborted or SocketError.ConnectionReset or SocketError.ConnectionRefused or SocketError.Interrupted
            or SocketError.WouldBlock or SocketError.TryAgain or SocketError.TimedOut or SocketError.ProtocolOption
            or SocketError.NetworkDown or SocketError.NetworkUnreachable or SocketError.NetworkReset
            or SocketError.HostDown or SocketError.HostUnreachable or SocketError.HostNotFound
            or SocketError.Disconnecting or SocketError.NotConnected
            or SocketError.OperationNotSupported or SocketError.ProtocolNotSupported or SocketError.SocketNotSupported => AcceptFault.Continue,

        // A firewall's refusal is about one client too. To back off would let that client slow down all others.
        SocketError.AccessDenied => AcceptFault.Continue,

        // EMFILE, ENFILE, ENOBUFS, ENOMEM, and whatever this list does not know: an acceptor never spins and never gives up.
        _ => AcceptFault.BackOff,
    };
}
