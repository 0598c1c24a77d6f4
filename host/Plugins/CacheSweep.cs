using System.Reflection;
using System.Reflection.Metadata;

namespace PluginServer.Plugins;

/// <summary>Empties the type caches of the frameworks, as hot reload does, so that they let go of an ended generation.</summary>
/// <remarks>System.Text.Json by reflection keeps every type it has seen otherwise (dotnet/runtime#65323).</remarks>
internal static class CacheSweep
{
    public static void Run()
    {
        foreach (var assembly in AppDomain.CurrentDomain.GetAssemblies().Where(assembly => !assembly.IsCollectible && !assembly.IsDynamic))
        {
            foreach (var attribute in assembly.GetCustomAttributes<MetadataUpdateHandlerAttribute>())
            {
                attribute.HandlerType
                    .GetMethod("ClearCache", BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic, [typeof(Type[])])?
                    .Invoke(null, [null]);
            }
        }
    }
}
