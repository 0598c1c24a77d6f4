using NUnit.Framework;
using NUnit.Framework.Interfaces;
using NUnit.Framework.Internal;
using NUnit.Framework.Internal.Builders;

namespace PluginServer.Testing;

/// <summary>Runs a fixture once for each transport that this system has. Its constructor takes a <see cref="PluginTransport"/>, to be given to
/// <see cref="PluginHostOptions.Transport"/>.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class OverTransportsAttribute : NUnitAttribute, IFixtureBuilder2
{
    private readonly NUnitTestFixtureBuilder _builder = new();

    /// <inheritdoc/>
    public IEnumerable<TestSuite> BuildFrom(ITypeInfo typeInfo) => BuildFrom(typeInfo, new Everything());

    /// <inheritdoc/>
    public IEnumerable<TestSuite> BuildFrom(ITypeInfo typeInfo, IPreFilter filter)
    {
        foreach (var transport in Enum.GetValues<PluginTransport>().Where(transport => transport != PluginTransport.Epoll || OperatingSystem.IsLinux()))
        {
            yield return _builder.BuildFrom(typeInfo, filter, new TestFixtureParameters(transport));
        }
    }

    private sealed class Everything : IPreFilter
    {
        public bool IsMatch(Type type) => true;

        public bool IsMatch(Type type, System.Reflection.MethodInfo method) => true;
    }
}
