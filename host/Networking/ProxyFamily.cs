namespace PluginServer.Networking;

/// <summary>Over what the client is connected to the proxy, as its PROXY header says.</summary>
internal enum ProxyFamily
{
    /// <summary>Not said, or of no interest: the real ends of the connection are all that is known.</summary>
    Unspecified,

    /// <summary>TCP over IPv4.</summary>
    Tcp4,

    /// <summary>TCP over IPv6; an IPv4 address in the form of IPv6 is still of this family.</summary>
    Tcp6,

    /// <summary>A stream between sockets of one machine, which rarely have a path.</summary>
    Unix,
}
