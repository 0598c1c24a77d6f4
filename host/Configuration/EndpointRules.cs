using System.Net;
using System.Net.Sockets;

namespace PluginServer.Configuration;

/// <summary>What the endpoints must be to each other: of different names, and on addresses that do not overlap.</summary>
internal sealed class EndpointRules(ConfigPositions positions, List<ConfigError> errors)
{
    private readonly List<Entry> _earlier = [];

    /// <summary>Leaves out what is wrong in itself: that is reported already and would only echo here.</summary>
    public void Check(IEnumerable<ConfigSection> endpoints)
    {
        foreach (var section in endpoints)
        {
            if (!OperatingSystem.IsLinux() && section.TryRead<string>("transport", out var transport) && string.Equals(transport, "epoll", StringComparison.OrdinalIgnoreCase))
            {
                errors.Add(positions.Of(section.Node!.Path)["transport"].Error("\"epoll\" is for Linux; on this system use \"sockets\" or \"auto\""));
            }

            if (!section.TryRead<string>("plugin", out var plugin) || !section.TryRead<int>("port", out var port))
            {
                continue;
            }

            var isNamed = section.Node!["name"] is not null;
            var name = isNamed ? section.Read<string>("name") : $"{plugin}:{port}";
            var hasAddress = section.TryRead<IPAddress>("address", out var address);
            var entry = new Entry(positions.Of(section.Node.Path), name, isNamed, plugin!, port, hasAddress, address);
            Check(entry);
            _earlier.Add(entry);
        }
    }

    private void Check(Entry entry)
    {
        var overlapped = _earlier.Find(entry.Overlaps);
        var named = _earlier.Find(other => entry.Name is not null && other.Name == entry.Name);
        if (overlapped is not null)
        {
            errors.Add(entry.Position["port"].Error(
                $"{entry.AddressAndPort} overlaps {overlapped.AddressAndPort} of {overlapped.Place}; give one of them another port or address"));
        }

        if (entry is { Port: 0, IsNamed: false } && _earlier.Find(other => other.Port == 0 && other.Plugin == entry.Plugin) is { } zero)
        {
            errors.Add(entry.Position["name"].Error(
                $"missing, expected a unique name: {zero.Place} has port 0 of plugin '{entry.Plugin}' too, and only a name tells them apart"));
        }
        else if (named is not null && (entry.IsNamed || overlapped is null))
        {
            var by = entry.IsNamed ? $"'{entry.Name}'" : $"'{entry.Name}', the default here,";
            errors.Add(entry.Position["name"].Error($"{by} is already the name of {named.Place}, expected a unique name"));
        }
    }

    private sealed record Entry(ConfigPosition Position, string? Name, bool IsNamed, string Plugin, int Port, bool HasAddress, IPAddress? Address)
    {
        public string Place => $"{Position.Path} at line {Position.Line}";

        public string AddressAndPort => Address is null ? $"*:{Port}" : new IPEndPoint(Address, Port).ToString();

        public bool Overlaps(Entry other) =>
            Port == other.Port && Port != 0 && HasAddress && other.HasAddress && (Covers(Address, other.Address) || Covers(other.Address, Address));

        private static bool Covers(IPAddress? one, IPAddress? other) =>
            one is null
            || one.Equals(other)
            || (other is not null && one.AddressFamily == other.AddressFamily && one.Equals(one.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any));
    }
}
