using System.Net;

namespace PluginServer.Configuration;

/// <summary>One entry of <c>endpoints</c>: a port and the plugin's handler behind it.</summary>
internal sealed record EndpointConfig
{
    public required string Name { get; init; }

    /// <summary>Null is "*": every IPv6 and IPv4 address on one socket.</summary>
    public IPAddress? Address { get; init; }

    /// <summary>0 takes any free port, kept for the life of the endpoint; 0 too where it does not listen on a port.</summary>
    public required int Port { get; init; }

    /// <summary>Absolute path of the Unix socket that it listens on instead; null where it does not.</summary>
    public string? Unix { get; init; }

    /// <summary>Of the Unix socket.</summary>
    public UnixFileMode UnixMode { get; init; } = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    /// <summary>"user" or "user:group", by names or numbers; null leaves the Unix socket to the host's own.</summary>
    public string? UnixOwner { get; init; }

    /// <summary>Name of the socket that systemd opened and hands over instead; null where it does not.</summary>
    public string? Systemd { get; init; }

    public required string Plugin { get; init; }

    /// <summary>Simple or full name of the handler's type; null where the plugin has only one.</summary>
    public string? Handler { get; init; }

    /// <summary>The handler's own settings.</summary>
    public ConfigSettings Settings { get; init; } = ConfigSettings.None;

    public TransportKind Transport { get; init; }

    /// <summary>Accept loops on the listening socket.</summary>
    public int Acceptors { get; init; } = 1;

    public int Backlog { get; init; } = 4096;

    public int MaxConnections { get; init; } = 10_000;

    public OverflowKind Overflow { get; init; }

    /// <summary>Who may come in.</summary>
    public AccessConfig Access { get; init; } = AccessConfig.Open;

    /// <summary>From the accept until the handler starts: PROXY header and TLS together.</summary>
    public TimeSpan HandshakeTimeout { get; init; } = TimeSpan.FromSeconds(5);

    public ProxyKind ProxyProtocol { get; init; }

    /// <summary>Whose PROXY headers are believed; whoever may open a Unix socket is believed in any case.</summary>
    public NetworkList TrustedProxies { get; init; } = NetworkList.Loopback;

    /// <summary>How long a connection may pass no byte either way; null is for ever.</summary>
    public TimeSpan? IdleTimeout { get; init; }

    /// <summary>How long a connection may live; null is for ever.</summary>
    public TimeSpan? MaxLifetime { get; init; }

    /// <summary>Bytes received and examined but not consumed; beyond it the connection is closed.</summary>
    public int ReadLimit { get; init; } = 1_048_576;

    /// <summary>How long one message may take; null is for ever. For handlers of messages alone.</summary>
    public TimeSpan? MessageTimeout { get; init; }

    /// <summary>Bytes a second that must arrive within a message; 0 is no limit. For handlers of messages alone.</summary>
    public int MinimumRate { get; init; }

    /// <summary>Null is plain TCP.</summary>
    public TlsConfig? Tls { get; init; }

    public SocketConfig Socket { get; init; } = new();

    /// <summary>Where the entry stands; <c>Position[ListensOnKey]</c> is where it says what it listens on.</summary>
    public required ConfigPosition Position { get; init; }

    public string ListensOnKey => Unix is not null ? "unix" : Systemd is not null ? "systemd" : "port";

    /// <summary>What makes it the same endpoint after an edit: address and port, path or systemd's name; with port 0, its own name.</summary>
    public string Identity => ListensOnKey == "port" && Port == 0 ? $"{AddressText}:0 {Name}" : ListensOn;

    /// <summary>The address as plugins.json and status show it; a path or systemd's name after the key that it stands under.</summary>
    public string AddressText => Unix is not null ? $"unix:{Unix}" : Systemd is not null ? $"systemd:{Systemd}" : Address?.ToString() ?? "*";

    /// <summary>Where it listens: "address:port", with an IPv6 address in brackets, or what <see cref="AddressText"/> says.</summary>
    public string ListensOn => ListensOnKey != "port" ? AddressText : Address is null ? $"*:{Port}" : new IPEndPoint(Address, Port).ToString();
}
