using System.Runtime.InteropServices;

namespace PluginServer.Plugins;

/// <summary>The native libraries that one load context has loaded, so that they go with it: the runtime unmaps none of its own accord.</summary>
/// <remarks>It outlives the context, so all it keeps are texts and handles.</remarks>
internal sealed class NativeLibraries(PluginBuild build)
{
    // Generations of one build share its libraries: the system tells libraries apart by their files. A file that was
    // removed and copied again is another one under the same path, so the handle counts too.
    private static readonly Dictionary<(string File, nint Handle), (int Contexts, int Loads)> InUse = [];
    private static readonly Lock Gate = new();

    private readonly HashSet<(string File, nint Handle)> _loaded = [];

    /// <summary>To be called for each load: the runtime asks once for each function, and the system counts.</summary>
    public void Add(string path, nint handle)
    {
        // From the hash on: the system shows paths with the symbolic links before it resolved.
        var library = (path[Math.Max(path.IndexOf(build.Sha256, StringComparison.Ordinal), 0)..], handle);
        lock (Gate)
        {
            var (contexts, loads) = InUse.GetValueOrDefault(library);
            InUse[library] = (contexts + (_loaded.Add(library) ? 1 : 0), loads + 1);
        }
    }

    /// <summary>Unmaps what no other context uses. Only after this one was collected: then no code of the plugin, finalizers included, runs any more.</summary>
    public void Free()
    {
        lock (Gate)
        {
            foreach (var library in _loaded)
            {
                var (contexts, loads) = InUse[library];
                if (contexts > 1)
                {
                    InUse[library] = (contexts - 1, loads);
                    continue;
                }

                InUse.Remove(library);

                // The plugin may have freed some of these loads itself, and one free too many can end the process.
                while (loads-- > 0 && IsMapped(library.File))
                {
                    NativeLibrary.Free(library.Handle);
                }
            }

            _loaded.Clear();
        }
    }

    /// <summary>False also where the system does not tell; the library then stays, at the cost of its memory.</summary>
    private static bool IsMapped(string file) =>
        OperatingSystem.IsLinux() && File.ReadLines("/proc/self/maps").Any(line => line.Contains(file, StringComparison.Ordinal));
}
