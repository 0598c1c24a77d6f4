namespace PluginServer.Plugins;

/// <summary>A collection of all generations that stops nobody for long.</summary>
internal static class BackgroundCollection
{
    // Below 4 MiB of old or of large objects the runtime makes a blocking collection of it instead (bgc_min_per_heap in its gc.cpp).
    // Never touched, so it takes address space and no memory.
    private static readonly byte[] Ballast = GC.AllocateUninitializedArray<byte>(5 << 20);

    /// <summary>Once, before anybody is served: what this allocates may itself cause a collection.</summary>
    public static void Enable() => GC.KeepAlive(Ballast);

    public static void Start() => GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: false);
}
