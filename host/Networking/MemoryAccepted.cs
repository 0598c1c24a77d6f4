using System.Net.Sockets;

namespace PluginServer.Networking;

/// <summary>One that has come in memory: there is no descriptor, and nothing to set.</summary>
internal sealed class MemoryAccepted(MemorySocket socket, ConnectionAddress local, ConnectionAddress remote) : AcceptedSocket
{
    private const string NoDescriptor = "A connection in memory has no descriptor: it cannot be given to another process, nor to another transport.";
    private MemorySocket? _socket = socket;

    public override int Number => -1;

    public override bool IsNonBlocking => true;

    public override ConnectionAddress Local => local;

    public override ConnectionAddress Remote => remote;

    public override void SetOption(SocketOptionLevel level, SocketOptionName name, int value)
    {
        // What it would be set for is the kernel's, which has no part in it.
    }

    public MemorySocket Take() => Interlocked.Exchange(ref _socket, null) ?? throw new ObjectDisposedException(nameof(MemoryAccepted));

    public override Socket TakeSocket() => throw new NotSupportedException(NoDescriptor);

    public override int TakeDescriptor() => throw new NotSupportedException(NoDescriptor);

    public override void Dispose() => Interlocked.Exchange(ref _socket, null)?.Close(reset: false);
}
