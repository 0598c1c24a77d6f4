namespace PluginServer;

/// <summary>What a plugin keeps for all its connections, for as long as the host process runs: a swap does not touch it.</summary>
/// <remarks>
/// <para>There is one per plugin of plugins.json; ask for it in the constructor of a handler or a service. All generations of the plugin
/// that are alive share it at the same time, so what one stores must be what the others expect: change its layout under another key.</para>
/// <para>See <see cref="State"/> for what can be stored.</para>
/// </remarks>
public sealed class PluginState : State;
