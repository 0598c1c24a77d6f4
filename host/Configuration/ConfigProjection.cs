using System.Collections.Immutable;
using System.Net;
using System.Security.Authentication;
using Microsoft.Extensions.Logging;
using Newtonsoft.Json.Linq;

namespace PluginServer.Configuration;

/// <summary>A tree that passed every check to the records that the host works with.</summary>
internal sealed class ConfigProjection(string file, ConfigPositions positions)
{
    public ServerConfig Server(ConfigSection root, string? stateDirectory) => new()
    {
        File = file,
        PluginDirectory = Absolute(root.Read<string>("pluginDirectory")!),
        StateDirectory = Absolute(root.Node!["stateDirectory"] is null && !string.IsNullOrEmpty(stateDirectory) ? stateDirectory : root.Read<string>("stateDirectory")!),
        MaxConnections = root.Read<int?>("maxConnections"),
        ShutdownDelay = root.Read<TimeSpan>("shutdownDelay"),
        ShutdownTimeout = root.Read<TimeSpan>("shutdownTimeout"),
        Admin = Admin(root.Section("admin")),
        Plugins = root.Entries("plugins").ToImmutableSortedDictionary(entry => entry.Name, entry => Plugin(entry.Name, entry.Section), StringComparer.Ordinal),
        Endpoints = [.. root.Items("endpoints").Select(Endpoint)],
        Position = positions.Root,
    };

    private AdminConfig Admin(ConfigSection section) => new()
    {
        Enabled = section.Read<bool>("enabled"),
        Address = section.Read<IPAddress>("address"),
        Port = section.Read<int>("port"),
        Tls = Tls(section.Section("tls")),
    };

    private PluginConfig Plugin(string name, ConfigSection section) => new()
    {
        Name = name,
        Settings = Settings(section),
        Dispatch = Enum.Parse<DispatchKind>(section.Read<string>("dispatch")!, ignoreCase: true),
        LogLevel = Enum.Parse<LogLevel>(section.Read<string>("logLevel")!),
        DrainTimeout = section.Read<TimeSpan?>("drainTimeout"),
        Sha256 = section.Read<string>("sha256")?.ToLowerInvariant(),
        Position = positions.Of(section.Node!.Path),
    };

    private EndpointConfig Endpoint(ConfigSection section) => new()
    {
        Name = section.Read<string>("name") ?? $"{section.Read<string>("plugin")}:{section.Read<int>("port")}",
        Address = section.Read<IPAddress>("address"),
        Port = section.Read<int>("port"),
        Unix = section.Read<string>("unix") is { } path ? Absolute(path) : null,
        UnixMode = (UnixFileMode)Convert.ToInt32(section.Read<string>("unixMode"), 8),
        UnixOwner = section.Read<string>("unixOwner"),
        Systemd = section.Read<string>("systemd"),
        Plugin = section.Read<string>("plugin")!,
        Handler = section.Read<string>("handler"),
        Settings = Settings(section),
        Transport = Enum.Parse<TransportKind>(section.Read<string>("transport")!, ignoreCase: true),
        Acceptors = section.Read<int>("acceptors"),
        Backlog = section.Read<int>("backlog"),
        MaxConnections = section.Read<int>("maxConnections"),
        Overflow = Enum.Parse<OverflowKind>(section.Read<string>("overflow")!, ignoreCase: true),
        Access = new AccessConfig
        {
            Allow = new NetworkList(section.Values<IPNetwork>("allow")),
            Deny = new NetworkList(section.Values<IPNetwork>("deny")),
            ConnectionsPerAddress = section.Read<int>("maxConnectionsPerAddress"),
            ConnectionsPerSecond = section.Read<int>("connectionsPerSecond"),
        },
        HandshakeTimeout = section.Read<TimeSpan>("handshakeTimeout"),
        ProxyProtocol = Enum.Parse<ProxyKind>(section.Read<string>("proxyProtocol")!, ignoreCase: true),
        TrustedProxies = new NetworkList(section.Values<IPNetwork>("trustedProxies")),
        IdleTimeout = section.Read<TimeSpan?>("idleTimeout"),
        MaxLifetime = section.Read<TimeSpan?>("maxLifetime"),
        ReadLimit = section.Read<int>("readLimit"),
        MessageTimeout = section.Read<TimeSpan?>("messageTimeout"),
        MinimumRate = section.Read<int>("minimumRate"),
        Tls = Tls(section.Section("tls")),
        Socket = Socket(section.Section("socket")),
        Position = positions.Of(section.Node!.Path),
    };

    private TlsConfig? Tls(ConfigSection section) => section.Node is null ? null : new()
    {
        Certificate = Certificate(section),
        Sni = [.. section.Items("sni").Select(entry => new SniConfig(entry.Read<string>("host")!.ToLowerInvariant(), Certificate(entry)))],
        ClientCertificate = Enum.Parse<ClientCertificateKind>(section.Read<string>("clientCertificate")!, ignoreCase: true),
        ClientAuthorities = AbsoluteOrNull(section.Read<string>("clientAuthorities")),
        Alpn = [.. section.Values<string>("alpn")],
        MinimumVersion = section.Read<string>("minimumVersion") == "1.3" ? SslProtocols.Tls13 : SslProtocols.Tls12,
        Position = positions.Of(section.Node.Path),
    };

    private CertificateConfig Certificate(ConfigSection section) => new()
    {
        File = Absolute(section.Read<string>("certificate")!),
        Key = AbsoluteOrNull(section.Read<string>("key")),
        PasswordFile = AbsoluteOrNull(section.Read<string>("passwordFile")),
        Position = positions.Of(section.Node!.Path),
    };

    private static SocketConfig Socket(ConfigSection section) => new()
    {
        NoDelay = section.Read<bool>("noDelay"),
        KeepAlive = section.Read<bool>("keepAlive"),
        ReceiveBuffer = section.Read<int>("receiveBuffer"),
        SendBuffer = section.Read<int>("sendBuffer"),
    };

    // Where settings are left out an error about them belongs to the entry that lacks them.
    private ConfigSettings Settings(ConfigSection section) => new(
        SettingsText.Flatten(section.Node!["settings"] ?? new SourceNode("", (1, 1), new JObject(), "")),
        positions.Of(JsonPath.Member(section.Node.Path, "settings")));

    private string? AbsoluteOrNull(string? path) => path is null ? null : Absolute(path);

    private string Absolute(string path) => Path.GetFullPath(path, Path.GetDirectoryName(file)!);
}
