using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Plugins;

/// <summary>What the inspector must not complain about, since the runtime does not either.</summary>
internal sealed class PluginInspectorTests
{
    private const ushort Amd64 = 0x8664;
    private const ushort Arm64 = 0xAA64;
    private const ushort Linux = 0x7B79;

    /// <summary>An assembly of the framework stands for what <c>dotnet publish -p:PublishReadyToRun=true</c> makes.</summary>
    [TestCase(Amd64)]
    [TestCase(Arm64)]
    [TestCase(Amd64 ^ Linux)]
    [TestCase(Arm64 ^ Linux)]
    public void Code_compiled_ahead_of_time_is_fit_whatever_machine_it_is_for(int machine)
    {
        const string name = "System.Threading.Channels";
        using var workspace = new Workspace();
        var file = Path.Combine(workspace.Root, $"{name}.dll");
        File.Copy(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, $"{name}.dll"), file);
        Artefact.SetMachine(file, (ushort)machine);

        var inspection = new PluginInspector().Inspect(new PluginBuild(name, new string('0', 64), workspace.Root, workspace.Root));
        Assert.That(inspection.Problems, Is.Empty);

        var context = new System.Runtime.Loader.AssemblyLoadContext(name, isCollectible: true);
        Assert.That(context.LoadFromAssemblyPath(file).GetTypes(), Is.Not.Empty, "and the runtime loads it");
        context.Unload();
    }
}
