using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;

namespace PluginServer.Plugins;

/// <summary>Says whether a build can be loaded, and why not: from metadata alone, nothing of the plugin runs.</summary>
/// <remarks>A missing dependency or contract member would otherwise pass loading, and fail at the first connection that meets it.</remarks>
internal sealed class PluginInspector
{
    private readonly ContractMembers _contract = new();

    public PluginInspection Inspect(PluginBuild build)
    {
        var problems = new List<string>();
        var assemblies = new Dictionary<string, InspectedAssembly>(StringComparer.OrdinalIgnoreCase);
        try
        {
            var folder = new PluginFolder(build);
            Walk(build, folder, build.MainAssembly, assemblies, problems);
            return problems.Count > 0
                ? new PluginInspection { Build = build, Problems = problems }
                : Describe(build, folder, assemblies);
        }
        catch (PluginException problem)
        {
            problems.Add(problem.Message);
            return new PluginInspection { Build = build, Problems = problems };
        }
    }

    private void Walk(PluginBuild build, PluginFolder folder, string path, Dictionary<string, InspectedAssembly> assemblies, List<string> problems)
    {
        var file = Path.GetRelativePath(build.Folder, path);
        using var image = OpenImage(build, path, file);
        var reader = image.GetMetadataReader();
        var contractFits = true;
        foreach (var reference in reader.AssemblyReferences.Select(handle => reader.GetAssemblyReference(handle).GetAssemblyName()))
        {
            var name = reference.Name!;
            var requested = reference.Version ?? new Version(0, 0);
            if (SharedAssemblies.Contains(name))
            {
                var version = SharedAssemblies.VersionOf(name);
                assemblies.TryAdd(name, new InspectedAssembly(name, version, requested, SharedAssemblies.IsPrivateCopy(name) ? AssemblySource.FrameworkCopy : AssemblySource.Shared));
                if (SharedProblem(name, requested, version) is { } problem)
                {
                    problems.Add($"plugin {build.Name}: {file} {problem}");
                    contractFits &= !SharedAssemblies.IsContract(name);
                }
            }
            else if (folder.Resolve(reference) is not { } found)
            {
                problems.Add($"plugin {build.Name}: {file} needs {name} {requested}, which is not in the plugin's folder and not in the shared frameworks; publish the plugin with its dependencies (dotnet publish -o {build.Source})");
            }
            else if (!assemblies.ContainsKey(name))
            {
                assemblies[name] = new InspectedAssembly(name, new Version(0, 0), requested, AssemblySource.Plugin);
                Walk(build, folder, found, assemblies, problems);
                assemblies[name] = assemblies[name] with { Version = AssemblyName.GetAssemblyName(found).Version! };
            }
        }

        // Of a contract that is too new as a whole, each missing member is no further news.
        var missing = contractFits ? _contract.MissingFor(reader) : [];
        problems.AddRange(missing.Select(member =>
            $"plugin {build.Name}: {file} uses {member}, which contract {SharedAssemblies.ContractVersion.ToString(2)} of this host does not have; build the plugin against PluginServer.Abstractions {SharedAssemblies.ContractVersion.ToString(2)}"));
    }

    private static string? SharedProblem(string name, Version requested, Version version)
    {
        if (!SharedAssemblies.IsContract(name))
        {
            return requested > version ? $"needs {name} {requested}, and this host has {version}: it was built for a newer .NET or a newer package; build it for {RuntimeInformation.FrameworkDescription} or update the host" : null;
        }

        // A minor version adds members; a major one may take them away. Older minors are fine, whatever was added since.
        return requested.Major != version.Major || requested.Minor > version.Minor
            ? $"needs contract {requested.ToString(2)}, host has {version.ToString(2)}: build it against PluginServer.Abstractions {version.ToString(2)} or update the host"
            : null;
    }

    private static PEReader OpenImage(PluginBuild build, string path, string file)
    {
        PluginException Unusable(string what) => new($"plugin {build.Name}: {file} {what}; copy or publish it again into {build.Source}");
        var length = new FileInfo(path).Length;
        if (length == 0)
        {
            throw Unusable("is empty (0 bytes)");
        }

        if (IsElf(path))
        {
            throw Unusable("is a native library, not a .NET assembly");
        }

        var image = new PEReader(File.OpenRead(path));

        try
        {
            var needed = image.PEHeaders.SectionHeaders.Select(section => (long)section.PointerToRawData + section.SizeOfRawData).DefaultIfEmpty().Max();
            if (length < needed)
            {
                throw Unusable($"is cut short: {length} of at least {needed} bytes");
            }

            if (!image.HasMetadata || !image.GetMetadataReader().IsAssembly)
            {
                throw Unusable("is a native library, not a .NET assembly");
            }

            return ImageArchitecture.Problem(image) is { } problem ? throw Unusable(problem) : image;
        }
        catch (BadImageFormatException)
        {
            image.Dispose();
            throw Unusable("is not a .NET assembly, or only half of one");
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }

    private static bool IsElf(string path)
    {
        using var stream = File.OpenRead(path);
        Span<byte> magic = stackalloc byte[4];
        return stream.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length && magic.SequenceEqual("\u007fELF"u8);
    }

    private static PluginInspection Describe(PluginBuild build, PluginFolder folder, Dictionary<string, InspectedAssembly> assemblies)
    {
        using var context = new MetadataLoadContext(new Resolver(folder), "System.Private.CoreLib");
        var main = context.LoadFromAssemblyPath(build.MainAssembly);
        var name = main.GetName();
        if (name.Name != build.Name)
        {
            throw new PluginException($"plugin {build.Name}: {build.Name}.dll holds the assembly {name.Name}; name the folder {name.Name}, or set <AssemblyName>{build.Name}</AssemblyName> in the project");
        }

        var types = main.GetTypes().Where(type => type is { IsClass: true, IsAbstract: false, ContainsGenericParameters: false }).ToList();
        var plugins = Implementing(types, typeof(IPlugin));
        if (plugins.Count > 1)
        {
            throw new PluginException($"plugin {build.Name} has several types that implement {nameof(IPlugin)} ({string.Join(", ", plugins)}); leave one");
        }

        var informational = main.GetCustomAttributesData().FirstOrDefault(data => data.AttributeType.FullName == typeof(AssemblyInformationalVersionAttribute).FullName);
        return new PluginInspection
        {
            Build = build,
            Problems = [],
            Version = (informational?.ConstructorArguments[0].Value as string)?.Split('+')[0] ?? name.Version!.ToString(),
            Handlers = Implementing(types, typeof(IConnectionHandler)),
            PluginType = plugins.SingleOrDefault(),
            Assemblies = [.. assemblies.Values.OrderBy(assembly => assembly.Source).ThenBy(assembly => assembly.Name, StringComparer.OrdinalIgnoreCase)],
            Ignored = [.. PluginStore.Files(build.Folder)
                .Where(file => !file.Contains('/', StringComparison.Ordinal) && file.EndsWith(".dll", StringComparison.OrdinalIgnoreCase))
                .Select(file => Path.GetFileNameWithoutExtension(file))
                .Where(SharedAssemblies.Contains)
                .Order(StringComparer.OrdinalIgnoreCase)
                .Select(file => $"{file}.dll: the host's {SharedAssemblies.VersionOf(file)} is used")],
        };
    }

    private static List<string> Implementing(List<Type> types, Type contract) =>
        [.. types.Where(type => type.GetInterfaces().Any(face => face.FullName == contract.FullName && SharedAssemblies.IsContract(face.Assembly.GetName().Name!))).Select(type => type.FullName!).Order(StringComparer.Ordinal)];

    private sealed class Resolver(PluginFolder folder) : MetadataAssemblyResolver
    {
        public override Assembly? Resolve(MetadataLoadContext context, AssemblyName assemblyName) =>
            SharedAssemblies.Contains(assemblyName.Name!) ? context.LoadFromAssemblyPath(SharedAssemblies.PathOf(assemblyName.Name!))
            : folder.Resolve(assemblyName) is { } path ? context.LoadFromAssemblyPath(path)
            : null;
    }
}
