using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace PluginServer.Plugins;

/// <summary>The types and members of this host's contract, to hold against what a plugin calls.</summary>
internal sealed class ContractMembers
{
    private readonly Dictionary<string, HashSet<string>> _types = new(StringComparer.Ordinal);
    private readonly SignatureNames _names = new();

    public ContractMembers()
    {
        using var file = new PEReader(File.OpenRead(SharedAssemblies.Contract.Location));
        var reader = file.GetMetadataReader();
        foreach (var type in reader.TypeDefinitions.Select(reader.GetTypeDefinition))
        {
            var members = new HashSet<string>(StringComparer.Ordinal);
            members.UnionWith(type.GetMethods().Select(reader.GetMethodDefinition)
                .Select(method => SignatureNames.Of(reader.GetString(method.Name), method.DecodeSignature(_names, null))));
            members.UnionWith(type.GetFields().Select(reader.GetFieldDefinition).Select(field => reader.GetString(field.Name)));
            _types[SignatureNames.Of(reader, type)] = members;
        }
    }

    /// <summary>What an assembly uses of the contract and this host's contract lacks, such as <c>PluginServer.Connection.Pause() : Void</c>.</summary>
    public IEnumerable<string> MissingFor(MetadataReader reader)
    {
        var contract = reader.AssemblyReferences
            .Where(handle => SharedAssemblies.IsContract(reader.GetString(reader.GetAssemblyReference(handle).Name)))
            .Select(handle => (EntityHandle)handle)
            .ToHashSet();
        var types = reader.TypeReferences
            .Where(handle => contract.Contains(reader.GetTypeReference(handle).ResolutionScope))
            .Select(handle => SignatureNames.Of(reader, reader.GetTypeReference(handle)))
            .ToHashSet(StringComparer.Ordinal);
        foreach (var type in types.Where(type => !_types.ContainsKey(type)))
        {
            yield return type;
        }

        foreach (var member in reader.MemberReferences.Select(reader.GetMemberReference))
        {
            if (ParentName(reader, member.Parent) is { } parent && types.Contains(parent) && _types.TryGetValue(parent, out var known))
            {
                var name = reader.GetString(member.Name);
                var signature = member.GetKind() == MemberReferenceKind.Method ? SignatureNames.Of(name, member.DecodeMethodSignature(_names, null)) : name;
                if (!known.Contains(signature))
                {
                    yield return $"{parent}.{signature}";
                }
            }
        }
    }

    private string? ParentName(MetadataReader reader, EntityHandle parent) => parent.Kind switch
    {
        HandleKind.TypeReference => SignatureNames.Of(reader, reader.GetTypeReference((TypeReferenceHandle)parent)),
        HandleKind.TypeSpecification => reader.GetTypeSpecification((TypeSpecificationHandle)parent).DecodeSignature(_names, null).Split('<')[0],
        _ => null,
    };
}
