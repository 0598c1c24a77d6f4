using System.Net.Sockets;
using Microsoft.Win32.SafeHandles;

namespace PluginServer.Networking;

/// <summary>The descriptor of an epoll set. A call from another thread keeps it open until it returns; one that comes after the end is
/// told so and cannot reach what has the number by then.</summary>
internal sealed class EpollSet : SafeHandleMinusOneIsInvalid
{
    /// <exception cref="SocketException">The system has no more.</exception>
    public EpollSet()
        : base(ownsHandle: true)
    {
        SetHandle(Libc.CreateEpoll());
        if (IsInvalid)
        {
            throw new SocketException((int)Libc.ErrorOf(Libc.LastError));
        }
    }

    protected override bool ReleaseHandle() => Libc.Close((int)handle) == 0;
}
