using System.Net;
using System.Net.Sockets;
using System.Text;

namespace PluginServer.Testing;

/// <summary>PROXY headers as a proxy writes them: from the specification, with nothing of the host's code.</summary>
internal static class ProxyPrelude
{
    private static readonly byte[] Signature = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

    public static byte[] Of(ProxyVersion version, IPEndPoint source, IPEndPoint destination)
    {
        // One family for both: a proxy that takes IPv6 and connects by IPv4 says so in the form of IPv6.
        var isV4 = source.AddressFamily == AddressFamily.InterNetwork && destination.AddressFamily == AddressFamily.InterNetwork;
        var (from, to) = isV4 ? (source.Address, destination.Address) : (source.Address.MapToIPv6(), destination.Address.MapToIPv6());
        if (version == ProxyVersion.V1)
        {
            return Encoding.ASCII.GetBytes($"PROXY {(isV4 ? "TCP4" : "TCP6")} {from} {to} {source.Port} {destination.Port}\r\n");
        }

        byte[] addresses = [.. from.GetAddressBytes(), .. to.GetAddressBytes(), (byte)(source.Port >> 8), (byte)source.Port, (byte)(destination.Port >> 8), (byte)destination.Port];
        return [.. Signature, 0x21, (byte)(isV4 ? 0x11 : 0x21), 0, (byte)addresses.Length, .. addresses];
    }
}
