using System.Collections.Immutable;
using System.Net;

namespace PluginServer.Configuration;

/// <summary>Networks as plugins.json lists them, in the one form in which addresses are compared.</summary>
internal sealed class NetworkList : IEquatable<NetworkList>
{
    public static readonly NetworkList None = new([]);
    public static readonly NetworkList Loopback = new([new IPNetwork(IPAddress.Loopback, 32), new IPNetwork(IPAddress.IPv6Loopback, 128)]);

    private readonly ImmutableArray<Entry> _entries;
    private readonly string _text;

    public NetworkList(IEnumerable<IPNetwork> networks)
    {
        ImmutableArray<IPNetwork> all = [.. networks];
        _entries = [.. all.Select(Entry.Of).Distinct().OrderByDescending(entry => entry.Length).ThenBy(entry => entry.Start)];
        _text = $"[{string.Join(", ", all)}]";
    }

    public bool IsEmpty => _entries.IsEmpty;

    /// <summary>The length of the longest prefix that covers an address; -1 where none does.</summary>
    /// <remarks>A network of IPv6 never covers an IPv4 address, as "::/0" otherwise would.</remarks>
    public int LongestMatch(UInt128 address)
    {
        // The longest comes first.
        foreach (var entry in _entries)
        {
            if ((address & entry.Mask) == entry.Start && AddressNumber.IsInternet4(address) == entry.IsInternet4)
            {
                return entry.Length;
            }
        }

        return -1;
    }

    public bool Contains(UInt128 address) => LongestMatch(address) >= 0;

    public bool Equals(NetworkList? other) => other is not null && _entries.SequenceEqual(other._entries);

    public override bool Equals(object? obj) => Equals(obj as NetworkList);

    public override int GetHashCode() => _entries.Length;

    public override string ToString() => _text;

    private readonly record struct Entry(UInt128 Start, UInt128 Mask, int Length, bool IsInternet4)
    {
        public static Entry Of(IPNetwork network)
        {
            var start = AddressNumber.Of(network.BaseAddress);
            var length = network.BaseAddress.GetAddressBytes().Length == 4 ? network.PrefixLength + AddressNumber.Internet4Prefix : network.PrefixLength;
            var mask = length == 0 ? UInt128.Zero : UInt128.MaxValue << (128 - length);
            return new Entry(start & mask, mask, length, length >= AddressNumber.Internet4Prefix && AddressNumber.IsInternet4(start));
        }
    }
}
