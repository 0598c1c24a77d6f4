using System.Collections.Immutable;
using Newtonsoft.Json.Linq;
using static PluginServer.Configuration.ConfigChange;

namespace PluginServer.Configuration;

/// <content>The keys of an endpoint.</content>
internal static partial class ConfigKeys
{
    private static ImmutableArray<ConfigKey> Endpoints =>
    [
        new("endpoints", ConfigKind.List, ByMember, "The ports, each with the plugin and the handler behind it.") { Required = true },
        new("endpoints[]", ConfigKind.Object, ByMember, "One port and the handler behind it."),
        Words("endpoints[].name", Live, "Unique name of the endpoint; by default <plugin>:<port>, so a second port 0 of one plugin needs one.", "^[^\\u0000-\\u0020/\\u007f]([^\\u0000-\\u001f/\\u007f]*[^\\u0000-\\u0020/\\u007f])?$", "a text without '/' and control characters and with no space at either end"),
        new("endpoints[].address", ConfigKind.Address, OpensSocket, "\"*\" is IPv6 and IPv4 on one socket; otherwise an IP address of this machine.") { Default = "*" },
        Whole("endpoints[].port", OpensSocket, null, 0, 65535, "The TCP port; 0 takes any free one and keeps it for the life of the endpoint.") with { Required = true, Instead = ["unix", "systemd"] },
        Words("endpoints[].unix", OpensSocket, "Path of a Unix socket, relative to this file, instead of address and port."),
        Words("endpoints[].unixMode", InPlace, "Permissions of the Unix socket: who may write to it may connect.", "^0?[0-7]{3}$", "three octal digits such as \"660\"") with { Default = "660" },
        Words("endpoints[].unixOwner", InPlace, "Owner of the Unix socket, by names or numbers; by default the host's user and group.", "^[^:\\s]+(:[^:\\s]+)?$", "\"user\" or \"user:group\""),
        Words("endpoints[].systemd", OpensSocket, "Name of a socket that systemd hands over (LISTEN_FDNAMES), instead of address and port."),
        Words("endpoints[].plugin", NextConnection, "The plugin whose handler serves the connections.", NamePattern, NameForm) with { Required = true },
        Words("endpoints[].handler", NextConnection, "Simple or full type name of the handler; needed only where the plugin has several."),
        new("endpoints[].settings", ConfigKind.Settings, NextConnection, "The handler's own settings, bound to its IOptions<T>."),
        OneOf("endpoints[].transport", NextConnection, "How bytes move: the host's own epoll loop (Linux) or System.Net.Sockets.", "auto", "epoll", "sockets"),
        Whole("endpoints[].acceptors", InPlace, 1, 1, 64, "Accept loops on the listening socket."),
        Whole("endpoints[].backlog", InPlace, 4096, 1, 65535, "Connections that may wait in the kernel until they are accepted."),
    ];

    private static ImmutableArray<ConfigKey> Limits =>
    [
        Whole("endpoints[].maxConnections", Live, 10_000, 1, 1_000_000, "Connections at a time, over all generations."),
        OneOf("endpoints[].overflow", Live, "What happens beyond maxConnections: stop accepting, or accept and close.", "queue", "refuse"),
        Whole("endpoints[].maxConnectionsPerAddress", Live, 0, 0, 1_000_000, "Connections at a time from one remote address; 0 is no limit."),
        Whole("endpoints[].connectionsPerSecond", Live, 0, 0, 1_000_000, "New connections a second from one remote address; 0 is no limit."),
        new("endpoints[].allow", ConfigKind.List, Live, "Networks that may connect; the longest match of allow and deny wins.") { Default = new JArray() },
        new("endpoints[].allow[]", ConfigKind.Network, Live, "A network that may connect."),
        new("endpoints[].deny", ConfigKind.List, Live, "Networks that may not connect; the longest match of allow and deny wins.") { Default = new JArray() },
        new("endpoints[].deny[]", ConfigKind.Network, Live, "A network that may not connect."),
        Time("endpoints[].handshakeTimeout", Live, "00:00:05", "From the accept until the handler may start: PROXY header and TLS together."),
        Time("endpoints[].idleTimeout", Live, null, "How long a connection may pass no byte either way."),
        Time("endpoints[].maxLifetime", Live, null, "How long a connection may live."),
        Whole("endpoints[].readLimit", Live, 1_048_576, 1, 1_073_741_824, "Bytes received and examined but not consumed; beyond it the connection is closed."),
        Time("endpoints[].messageTimeout", Live, null, "For a MessageHandler: how long one whole message may take."),
        Whole("endpoints[].minimumRate", Live, 0, 0, 1_000_000_000, "For a MessageHandler: bytes a second that must arrive inside a message."),
        OneOf("endpoints[].proxyProtocol", NextConnection, "Whether a PROXY header with the real client address comes first.", "off", "optional", "required"),
        new("endpoints[].trustedProxies", ConfigKind.List, NextConnection, "Networks whose PROXY headers are believed.") { Default = new JArray("127.0.0.1/32", "::1/128") },
        new("endpoints[].trustedProxies[]", ConfigKind.Network, NextConnection, "A network whose PROXY headers are believed."),
        .. Tls(new("endpoints[].tls", ConfigKind.Object, NextConnection, "TLS between client and host.")),
    ];

    private static ImmutableArray<ConfigKey> Socket =>
    [
        new("endpoints[].socket", ConfigKind.Object, ByMember, "Options of each accepted socket."),
        Flag("endpoints[].socket.noDelay", NextConnection, true, "Whether small writes are sent at once (TCP_NODELAY)."),
        Flag("endpoints[].socket.keepAlive", NextConnection, false, "Whether the system probes idle connections (SO_KEEPALIVE)."),
        Whole("endpoints[].socket.receiveBuffer", NextConnection, 0, 0, 1_073_741_824, "SO_RCVBUF in bytes; 0 leaves it to the system, whose automatic tuning is usually better."),
        Whole("endpoints[].socket.sendBuffer", NextConnection, 0, 0, 1_073_741_824, "SO_SNDBUF in bytes; 0 leaves it to the system."),
    ];

    private static ImmutableArray<ConfigKey> Tls(ConfigKey section) =>
    [
        section,
        .. Certificate(section.Path, section.Change),
        new($"{section.Path}.sni", ConfigKind.List, section.Change, "Certificates by the host name that the client asks for.") { Default = new JArray() },
        new($"{section.Path}.sni[]", ConfigKind.Object, section.Change, "The certificate of one host name."),
        Words($"{section.Path}.sni[].host", section.Change, "The host name, such as \"www.example.org\" or \"*.example.org\", which stands for one label.", HostPattern, HostForm) with { Required = true },
        .. Certificate($"{section.Path}.sni[]", section.Change),
        OneOf($"{section.Path}.clientCertificate", section.Change, "Whether clients are asked for a certificate, or must have one.", "none", "allow", "require"),
        Words($"{section.Path}.clientAuthorities", section.Change, "PEM file with the authorities that client certificates must come from."),
        new($"{section.Path}.alpn", ConfigKind.List, section.Change, "Application protocols that are offered, the preferred one first.") { Default = new JArray() },
        Words($"{section.Path}.alpn[]", section.Change, "An application protocol such as \"h2\".", "^[\\u0021-\\u007e]{1,255}$", "1 to 255 characters of ASCII without spaces"),
        OneOf($"{section.Path}.minimumVersion", section.Change, "The oldest version of TLS that is accepted.", "1.2", "1.3"),
    ];

    private static ImmutableArray<ConfigKey> Certificate(string path, ConfigChange change) =>
    [
        Words($"{path}.certificate", change, "A PEM certificate with its chain, or a .pfx or .p12 file.") with { Required = true },
        Words($"{path}.key", change, "The PEM private key, where it is not in the file of the certificate."),
        Words($"{path}.passwordFile", change, "A file that holds the password of the .pfx file."),
    ];
}
