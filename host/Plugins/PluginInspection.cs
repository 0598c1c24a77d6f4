namespace PluginServer.Plugins;

/// <summary>Where a plugin gets an assembly from.</summary>
internal enum AssemblySource
{
    /// <summary>The plugin's folder; no other plugin sees it.</summary>
    Plugin,

    /// <summary>A shared framework, or the contract: one copy for the host and all plugins.</summary>
    Shared,

    /// <summary>A framework assembly of which each generation loads a copy of its own, because it would otherwise keep the generation alive.</summary>
    FrameworkCopy,
}

/// <summary>One assembly in the closure of a plugin's references.</summary>
internal sealed record InspectedAssembly(string Name, Version Version, Version Requested, AssemblySource Source);

/// <summary>What a build is, read from its metadata without running any of it.</summary>
internal sealed record PluginInspection
{
    public required PluginBuild Build { get; init; }

    /// <summary>Why it cannot be loaded; empty when it can.</summary>
    public required IReadOnlyList<string> Problems { get; init; }

    /// <summary>The plugin's own version, as its author states it.</summary>
    public string Version { get; init; } = "";

    /// <summary>Full names of the types that can handle connections.</summary>
    public IReadOnlyList<string> Handlers { get; init; } = [];

    /// <summary>Full name of its <see cref="IPlugin"/>, or null where it has none.</summary>
    public string? PluginType { get; init; }

    public IReadOnlyList<InspectedAssembly> Assemblies { get; init; } = [];

    /// <summary>Files of the folder that are not used, each with the reason.</summary>
    public IReadOnlyList<string> Ignored { get; init; } = [];

    /// <summary>The handler's full name for a simple or full one, or for null where there is only one.</summary>
    /// <exception cref="PluginException">None or several fit.</exception>
    public string ResolveHandler(string? name)
    {
        var choice = string.Join(", ", Handlers);
        if (Handlers.Count == 0)
        {
            throw new PluginException($"plugin {Build.Name}: no type in {Build.Name}.dll implements {nameof(PluginServer)}.{nameof(IConnectionHandler)}; add a public, non-abstract, non-generic class that does");
        }

        if (name is null)
        {
            return Handlers.Count == 1 ? Handlers[0] : throw new PluginException($"plugin {Build.Name} has several handlers; say which with \"handler\": {choice}");
        }

        var fitting = Handlers.Where(handler => handler == name || handler[(handler.LastIndexOfAny(['.', '+']) + 1)..] == name).ToList();
        return fitting.Count switch
        {
            1 => fitting[0],
            0 => throw new PluginException($"plugin {Build.Name} has no handler '{name}'; it has {choice}"),
            _ => throw new PluginException($"plugin {Build.Name} has several handlers '{name}'; use the full name: {string.Join(", ", fitting)}"),
        };
    }
}
