using System.Net;
using System.Net.Sockets;
using System.Text;

namespace PluginServer.Configuration;

/// <summary>What an endpoint must be in itself, beyond each of its keys, and what the endpoints must be to each other: of different names, and at addresses that do not overlap.</summary>
internal sealed class EndpointRules(ConfigPositions positions, string directory, List<ConfigError> errors)
{
    /// <summary>What sockaddr_un holds, see unix(7).</summary>
    private const int LongestPath = 107;

    private static readonly string[] Keys = ["port", "unix", "systemd"];
    private static readonly string[] OnlyLinux = ["systemd", "unixOwner"];
    private static readonly string[] OnlyUnix = ["unixMode", "unixOwner"];

    private readonly List<Entry> _earlier = [];

    /// <summary>Leaves out what is wrong in itself: that is reported already and would only echo here.</summary>
    public void Check(IEnumerable<ConfigSection> endpoints)
    {
        foreach (var section in endpoints)
        {
            var position = positions.Of(section.Node!.Path);
            CheckPlatform(section, position);
            CheckAddress(section, position);
            if (section.TryRead<string>("plugin", out var plugin) && ReadAddress(section) is { } listens)
            {
                var isNamed = section.Node!["name"] is not null;
                var name = isNamed ? section.Read<string>("name") : listens.Key == "port" ? $"{plugin}:{listens.Port}" : null;
                var entry = new Entry(position, name, isNamed, plugin!, listens);
                Check(entry);
                _earlier.Add(entry);
            }
        }
    }

    private static bool Has(ConfigSection section, string key) => section.Node![key] is not null;

    private void CheckPlatform(ConfigSection section, ConfigPosition position)
    {
        if (OperatingSystem.IsLinux())
        {
            return;
        }

        if (section.TryRead<string>("transport", out var transport) && string.Equals(transport, "epoll", StringComparison.OrdinalIgnoreCase))
        {
            errors.Add(position["transport"].Error("\"epoll\" is for Linux; on this system use \"sockets\" or \"auto\""));
        }

        foreach (var key in OnlyLinux.Where(key => Has(section, key)))
        {
            errors.Add(position[key].ErrorAtKey($"'{key}' is for Linux; on this system leave it out"));
        }
    }

    private void CheckAddress(ConfigSection section, ConfigPosition position)
    {
        List<string> keys = [.. Keys.Where(key => Has(section, key))];
        foreach (var key in keys.Skip(1))
        {
            errors.Add(position[key].ErrorAtKey($"'{key}' stands instead of '{keys[0]}', and an endpoint listens in one place; leave one of them out"));
        }

        if (keys is ["unix" or "systemd"] && Has(section, "address"))
        {
            errors.Add(position["address"].ErrorAtKey($"'{keys[0]}' stands instead of address and port; leave one of them out"));
        }

        foreach (var key in OnlyUnix.Where(key => Has(section, key) && !Has(section, "unix")))
        {
            errors.Add(position[key].ErrorAtKey($"'{key}' is for an endpoint on a Unix socket, which this one is not; leave it out, or give it a \"unix\""));
        }

        if (section.TryRead<string>("unix", out var path) && path is not null && Encoding.UTF8.GetByteCount(Path.GetFullPath(path, directory)) is > LongestPath and var length)
        {
            errors.Add(position["unix"].Error($"{Path.GetFullPath(path, directory)} is {length} bytes long, and the path of a Unix socket has at most {LongestPath}; choose a shorter one"));
        }
    }

    /// <summary>Null where it is wrong or missing, or there are several.</summary>
    private ListenAddress? ReadAddress(ConfigSection section) => Keys.Count(key => Has(section, key)) != 1 ? null
        : section.TryRead<string>("unix", out var path) && path is not null ? new ListenAddress("unix", 0, null, false, Path.GetFullPath(path, directory))
        : section.TryRead<string>("systemd", out var name) && name is not null ? new ListenAddress("systemd", 0, null, false, name)
        : section.TryRead<int>("port", out var port) ? new ListenAddress("port", port, section.TryRead<IPAddress>("address", out var address) ? address : null, section.TryRead<IPAddress>("address", out _), null)
        : null;

    private void Check(Entry entry)
    {
        var overlapped = _earlier.Find(other => entry.ListensOn.Overlaps(other.ListensOn));
        var named = _earlier.Find(other => entry.Name is not null && other.Name == entry.Name);
        if (overlapped is not null)
        {
            errors.Add(entry.Position[entry.ListensOn.Key].Error(entry.ListensOn.Key == "port"
                ? $"{entry.ListensOn} overlaps {overlapped.ListensOn} of {overlapped.Written}; give one of them another port or address"
                : $"{entry.ListensOn} is already that of {overlapped.Written}; give one of them another"));
        }

        if (entry.Name is "." or "..")
        {
            errors.Add(entry.Position["name"].Error($"'{entry.Name}' is no name: in the path of a URL it means a folder, and no call could name the endpoint"));
        }

        if (entry is { IsNamed: false, ListensOn.Key: not "port" })
        {
            errors.Add(entry.Position["name"].Error($"missing, expected a unique name: there is no port to call an endpoint on {entry.ListensOn} by"));
        }
        else if (entry is { ListensOn.IsAnyPort: true, IsNamed: false } && _earlier.Find(other => other.ListensOn.IsAnyPort && other.Plugin == entry.Plugin) is { } zero)
        {
            errors.Add(entry.Position["name"].Error(
                $"missing, expected a unique name: {zero.Written} has port 0 of plugin '{entry.Plugin}' too, and only a name tells them apart"));
        }
        else if (named is not null && (entry.IsNamed || overlapped is null))
        {
            var by = entry.IsNamed ? $"'{entry.Name}'" : $"'{entry.Name}', the default here,";
            errors.Add(entry.Position["name"].Error($"{by} is already the name of {named.Written}, expected a unique name"));
        }
    }

    private sealed record Entry(ConfigPosition Position, string? Name, bool IsNamed, string Plugin, ListenAddress ListensOn)
    {
        /// <summary>Where it stands in the file.</summary>
        public string Written => $"{Position.Path} at line {Position.Line}";
    }

    /// <param name="Key">Which key says it.</param>
    /// <param name="Port">For "port".</param>
    /// <param name="Address">For "port"; null is "*".</param>
    /// <param name="HasAddress">Whether the address, written or not, is valid.</param>
    /// <param name="Text">The path, or systemd's name.</param>
    private sealed record ListenAddress(string Key, int Port, IPAddress? Address, bool HasAddress, string? Text)
    {
        public bool IsAnyPort => Key == "port" && Port == 0;

        public bool Overlaps(ListenAddress other) => Key == other.Key && (Key == "port"
            ? Port == other.Port && Port != 0 && HasAddress && other.HasAddress && (Covers(Address, other.Address) || Covers(other.Address, Address))
            : Text == other.Text);

        public override string ToString() => Key != "port" ? $"{Key}:{Text}" : Address is null ? $"*:{Port}" : new IPEndPoint(Address, Port).ToString();

        private static bool Covers(IPAddress? one, IPAddress? other) =>
            one is null
            || one.Equals(other)
            || (other is not null && one.AddressFamily == other.AddressFamily && one.Equals(one.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any));
    }
}
