namespace PluginServer.Testing;

/// <summary>A form of the PROXY header.</summary>
public enum ProxyVersion
{
    /// <summary>None.</summary>
    None,

    /// <summary>A line of text.</summary>
    V1,

    /// <summary>A binary block.</summary>
    V2,
}
