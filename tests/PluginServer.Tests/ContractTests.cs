using System.Reflection;

namespace PluginServer.Tests;

/// <summary>The public surface of the contract: what plugins are compiled against changes only on purpose.</summary>
internal sealed class ContractTests
{
    private static readonly string Golden = Path.Combine(Repository.Root, "plugin-abstractions", "PublicApi.txt");

    [Test]
    public void The_public_surface_is_the_one_that_is_written_down()
    {
        var actual = string.Join('\n', typeof(Connection).Assembly.GetExportedTypes().OrderBy(type => type.FullName, StringComparer.Ordinal).SelectMany(Describe)) + '\n';
        if (Environment.GetEnvironmentVariable("PLUGINSERVER_WRITE_GOLDEN") == "1")
        {
            File.WriteAllText(Golden, actual);
        }

        Assert.That(actual, Is.EqualTo(File.ReadAllText(Golden)), "an addition needs a new minor version, a removal a new major one; then run this test with PLUGINSERVER_WRITE_GOLDEN=1");
    }

    [Test]
    public void The_contract_uses_only_the_framework_and_abstractions()
    {
        var references = typeof(Connection).Assembly.GetReferencedAssemblies().Select(reference => reference.Name!).ToList();
        Assert.That(references, Has.All.StartsWith("System.").Or.EqualTo("Microsoft.Extensions.Options").Or.Match("^Microsoft\\.Extensions\\..*\\.Abstractions$"));
    }

    private static IEnumerable<string> Describe(Type type)
    {
        yield return $"{type.FullName} : {string.Join(", ", type.GetInterfaces().Select(face => face.Name).Prepend(type.BaseType?.Name ?? "interface"))}";
        foreach (var member in type.GetMembers(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly).Where(IsVisible).Where(member => member is not MethodBase { IsSpecialName: true } || member is ConstructorInfo).OrderBy(member => member.ToString(), StringComparer.Ordinal))
        {
            yield return $"  {member}";
        }
    }

    /// <summary>Also to those who derive from the type, and to nobody else.</summary>
    private static bool IsVisible(MemberInfo member) => member switch
    {
        MethodBase method => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly,
        FieldInfo field => field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly,
        Type nested => nested.IsNestedPublic || nested.IsNestedFamily || nested.IsNestedFamORAssem,
        PropertyInfo property => property.GetAccessors(nonPublic: true).Any(IsVisible),
        _ => true,
    };
}
