using System.Runtime;

namespace PluginServer.Plugins;

/// <summary>A collection of all generations that stops nobody for long.</summary>
internal static class BackgroundCollection
{
    // Below 4 MiB of old or of large objects the runtime makes a blocking collection of it instead (bgc_min_per_heap in its gc.cpp).
    // Never touched, so it takes address space and no memory.
    private static readonly byte[] Ballast = GC.AllocateUninitializedArray<byte>(5 << 20);

    private static readonly Lock Mode = new();

    /// <summary>Once, before anybody is served: what this allocates may itself cause a collection.</summary>
    public static void Enable() => GC.KeepAlive(Ballast);

    public static void Start()
    {
        lock (Mode)
        {
            // In the interactive mode a fragmented old generation makes a blocking, compacting collection of it (gen_max_high_frag_p in
            // gc.cpp). Any other mode is somebody's choice, and that of a region without collections cannot be left like this.
            var mode = GCSettings.LatencyMode;
            if (mode == GCLatencyMode.Interactive)
            {
                GCSettings.LatencyMode = GCLatencyMode.SustainedLowLatency;
            }

            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: false);
            if (mode == GCLatencyMode.Interactive)
            {
                GCSettings.LatencyMode = mode;
            }
        }
    }
}
