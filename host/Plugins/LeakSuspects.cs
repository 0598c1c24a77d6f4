using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace PluginServer.Plugins;

/// <summary>What in a build's code is known to keep a load context alive when it is not undone: for the message about a leak.</summary>
/// <remarks>Found in the metadata of the plugin's own assembly, and only where that has nothing, of those it brought along; a suspicion, not a proof.</remarks>
internal static class LeakSuspects
{
    private static readonly (string Type, string? Member, string Kind)[] Known =
    [
        ("System.Threading.Timer", ".ctor", "a timer that is not disposed"),
        ("System.Timers.Timer", ".ctor", "a timer that is not disposed"),
        ("System.Threading.PeriodicTimer", ".ctor", "a timer that is not disposed"),
        ("System.Threading.Thread", ".ctor", "a thread that has not ended"),
        ("System.AppDomain", "add_", "an AppDomain event that is not unsubscribed"),
        ("System.Runtime.Loader.AssemblyLoadContext", "add_", "a load context event that is not unsubscribed"),
        ("System.Console", "add_", "a console event that is not unsubscribed"),
        ("System.Threading.Tasks.TaskScheduler", "add_", "a TaskScheduler event that is not unsubscribed"),
        ("System.Runtime.InteropServices.PosixSignalRegistration", "Create", "a signal registration that is not disposed"),
        ("System.Runtime.InteropServices.GCHandle", "Alloc", "a GCHandle that is not freed"),
        ("System.Threading.CancellationToken", "Register", "a token registration that is not disposed"),
        ("System.Threading.CancellationToken", "UnsafeRegister", "a token registration that is not disposed"),
        ("System.Diagnostics.DiagnosticListener", "get_AllListeners", "a diagnostic subscription that is not disposed"),
        ("System.Diagnostics.Metrics.MeterListener", ".ctor", "a meter listener that is not disposed"),
        ("System.Diagnostics.ActivityListener", ".ctor", "an activity listener that is not disposed"),
        ("System.Diagnostics.Tracing.EventListener", ".ctor", "an event listener that is not disposed"),
        ("System.Threading.ThreadPool", "RegisterWaitForSingleObject", "a registered wait that is not unregistered"),
        ("System.Net.Http.IHttpClientFactory", null, "a client factory whose handlers live for minutes"),
    ];

    /// <summary>"a timer that is not disposed (System.Threading.Timer, static field Plugin.Cache._timer)", or that nothing is known.</summary>
    public static string Of(PluginBuild build)
    {
        try
        {
            var found = Find(build.MainAssembly).ToList();
            if (found.Count == 0)
            {
                found = [.. Dependencies(build).SelectMany(path => Find(path).Select(suspect => $"{suspect} in {Path.GetFileName(path)}"))];
            }

            return found.Count == 0 ? "nothing in its metadata is known to do that; look for statics and events of what it uses" : string.Join("; or ", found);
        }
        catch (Exception error) when (error is IOException or BadImageFormatException or UnauthorizedAccessException)
        {
            return $"its build cannot be inspected any more: {error.Message}";
        }
    }

    private static IEnumerable<string> Dependencies(PluginBuild build) =>
        Directory.EnumerateFiles(build.Folder, "*.dll")
            .Where(path => path != build.MainAssembly && !SharedAssemblies.Contains(Path.GetFileNameWithoutExtension(path)))
            .Order(StringComparer.Ordinal);

    private static List<string> Find(string path)
    {
        using var image = new PEReader(File.OpenRead(path));
        return image.HasMetadata ? [.. Find(image.GetMetadataReader()).Distinct(StringComparer.Ordinal)] : [];
    }

    private static IEnumerable<string> Find(MetadataReader reader)
    {
        var statics = StaticFields(reader).ToLookup(field => field.Type, field => field.Name, StringComparer.Ordinal);
        foreach (var member in reader.MemberReferences.Select(reader.GetMemberReference).Where(member => member.Parent.Kind == HandleKind.TypeReference))
        {
            var type = SignatureNames.Of(reader, reader.GetTypeReference((TypeReferenceHandle)member.Parent));
            var name = reader.GetString(member.Name);
            foreach (var suspect in Known.Where(suspect => suspect.Type == type && name.StartsWith(suspect.Member ?? "", StringComparison.Ordinal)))
            {
                var fields = statics[type].ToList();
                yield return $"{suspect.Kind} ({type}{(name == ".ctor" ? "" : $".{name}")}{(fields.Count > 0 ? $", static field {string.Join(", ", fields)}" : "")})";
            }
        }
    }

    private static IEnumerable<(string Type, string Name)> StaticFields(MetadataReader reader)
    {
        var names = new SignatureNames();
        foreach (var type in reader.TypeDefinitions.Select(reader.GetTypeDefinition))
        {
            foreach (var field in type.GetFields().Select(reader.GetFieldDefinition).Where(field => field.Attributes.HasFlag(System.Reflection.FieldAttributes.Static)))
            {
                yield return (field.DecodeSignature(names, null), $"{SignatureNames.Of(reader, type)}.{reader.GetString(field.Name)}");
            }
        }
    }
}
