namespace PluginServer.Configuration;

/// <summary>What the value of a key is.</summary>
internal enum ConfigKind
{
    Boolean,
    Integer,
    Number,
    Text,
    Choice,
    Duration,

    /// <summary>"*" or an IP address.</summary>
    Address,

    /// <summary>A network such as 10.0.0.0/8.</summary>
    Network,

    /// <summary>An object of known keys.</summary>
    Object,

    /// <summary>An object whose keys are the operator's own names; its values have the key <c>*</c>.</summary>
    Map,

    /// <summary>An array; its elements have the key <c>[]</c>.</summary>
    List,

    /// <summary>An object that belongs to a plugin, whatever its shape.</summary>
    Settings,
}
