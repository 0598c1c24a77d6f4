using System.Net;

namespace PluginServer.Networking;

/// <summary>What a PROXY header says of the client.</summary>
/// <param name="Command">On whose behalf the sender has connected; version 1 knows clients only.</param>
/// <param name="Family">Over what the client is connected; unspecified for a local command.</param>
/// <param name="Source">The client's address; null where the real one holds, and where a Unix socket has no path.</param>
/// <param name="Destination">The address that the client has connected to; null likewise.</param>
internal readonly record struct ProxyHeader(ProxyCommand Command, ProxyFamily Family = ProxyFamily.Unspecified, EndPoint? Source = null, EndPoint? Destination = null)
{
    /// <summary>Of a client over TCP. An IPv4 address in the form of IPv6 is shown as IPv4.</summary>
    public static ProxyHeader Tcp(ProxyFamily family, IPEndPoint source, IPEndPoint destination) =>
        new(ProxyCommand.Proxy, family, new ConnectionAddress(source).EndPoint, new ConnectionAddress(destination).EndPoint);
}
