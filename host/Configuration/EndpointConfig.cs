using System.Net;

namespace PluginServer.Configuration;

/// <summary>One entry of <c>endpoints</c>: a port and the plugin's handler behind it.</summary>
internal sealed record EndpointConfig
{
    public required string Name { get; init; }

    /// <summary>Null is "*": every IPv6 and IPv4 address on one socket.</summary>
    public IPAddress? Address { get; init; }

    /// <summary>0 takes any free port, kept for the life of the endpoint.</summary>
    public required int Port { get; init; }

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

    /// <summary>How long a connection may pass no byte either way; null is for ever.</summary>
    public TimeSpan? IdleTimeout { get; init; }

    /// <summary>How long a connection may live; null is for ever.</summary>
    public TimeSpan? MaxLifetime { get; init; }

    /// <summary>Bytes received and examined but not consumed; beyond it the connection is closed.</summary>
    public int ReadLimit { get; init; } = 1_048_576;

    public SocketConfig Socket { get; init; } = new();

    /// <summary>Where the entry stands; <c>Position["port"]</c> is where its port does.</summary>
    public required ConfigPosition Position { get; init; }

    /// <summary>What makes it the same endpoint after an edit: address and port; with port 0, the name.</summary>
    public string Identity => Port == 0 ? $"{AddressText}:0 {Name}" : AddressAndPort;

    /// <summary>The address as plugins.json and status show it.</summary>
    public string AddressText => Address?.ToString() ?? "*";

    /// <summary>"address:port", with an IPv6 address in brackets.</summary>
    public string AddressAndPort => Address is null ? $"*:{Port}" : new IPEndPoint(Address, Port).ToString();
}
