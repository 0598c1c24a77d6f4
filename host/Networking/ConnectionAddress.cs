using System.Buffers.Binary;
using System.Net;
using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>One end of a connection. An IPv4 one becomes an object when somebody asks for it: few handlers do, and thousands of connections wait.</summary>
internal struct ConnectionAddress
{
    private static readonly IPAddress Nowhere = IPAddress.None;
    private readonly uint _number;
    private readonly ushort _port;
    private EndPoint? _known;

    /// <param name="number">In the order of the network.</param>
    /// <param name="port">In the order of the machine.</param>
    public ConnectionAddress(uint number, ushort port) => (_number, _port, _known) = (number, port, null);

    /// <summary>An IPv4 address in the form of IPv6 is shown as IPv4; null is unknown.</summary>
    public ConnectionAddress(EndPoint? known) => _known = known switch
    {
        IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped => new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port),
        { } other => other,
        null => new IPEndPoint(Nowhere, 0),
    };

    /// <summary>The same object from the second call on.</summary>
    public EndPoint EndPoint => _known ??= new IPEndPoint(new IPAddress(_number), _port);

    /// <summary>The IP address as <see cref="AddressNumber"/> has it; null where there is none, as at a Unix socket.</summary>
    public readonly UInt128? Number => _known switch
    {
        null => AddressNumber.Of(BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(_number) : _number),
        IPEndPoint { Address: var address } when !ReferenceEquals(address, Nowhere) => AddressNumber.Of(address),
        _ => null,
    };

    /// <summary>As reports, log and events name it: "unix" where it has no address.</summary>
    public override string ToString() => Number is null ? "unix" : $"{EndPoint}";
}
