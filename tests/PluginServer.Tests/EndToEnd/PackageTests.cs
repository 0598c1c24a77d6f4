using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>A plugin made as a third party makes one: outside the tree, with nothing but the packed contract.</summary>
internal sealed class PackageTests
{
    [Test]
    public async Task A_plugin_made_outside_the_tree_serves()
    {
        using var workspace = new Workspace();
        var packages = Path.Combine(workspace.Root, "packages");
        var project = Path.Combine(workspace.Root, "Shout");
        Directory.CreateDirectory(project);
        var dotnet = new Dotnet();
        await dotnet.RunAsync(workspace.Root, "pack", Path.Combine(Repository.Root, "plugin-abstractions"), "-o", packages, "-p:Version=1.0.0-test", "--artifacts-path", Path.Combine(workspace.Root, "pack"));
        await File.WriteAllTextAsync(Path.Combine(project, "Shout.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <EnableDynamicLoading>true</EnableDynamicLoading>
                <RestoreAdditionalProjectSources>{packages}</RestoreAdditionalProjectSources>
                <RestorePackagesPath>{Path.Combine(workspace.Root, "restored")}</RestorePackagesPath>
                <NuGetAudit>false</NuGetAudit>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="PluginServer.Abstractions" Version="1.0.0-test" />
              </ItemGroup>
            </Project>
            """);
        await File.WriteAllTextAsync(Path.Combine(project, "ShoutHandler.cs"), """
            using System.Text;
            using PluginServer;

            public sealed class ShoutHandler : IConnectionHandler
            {
                public async Task HandleAsync(Connection connection, CancellationToken draining)
                {
                    var result = await connection.Input.ReadAsync(draining);
                    var text = Encoding.UTF8.GetString(result.Buffer).ToUpperInvariant();
                    await connection.Output.WriteAsync(Encoding.UTF8.GetBytes(text), draining);
                }
            }
            """);
        await dotnet.RunAsync(project, "publish", "-o", workspace.PluginFolder("Shout"));
        workspace.Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Shout" } ]""");

        using var host = await HostProcess.StartAsync(workspace);
        using var client = await host.ConnectAsync("test");
        await client.SendAsync("hello from outside");
        Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("HELLO FROM OUTSIDE"));
        host.Signal("TERM");
        Assert.That(await host.ExitAsync(), Is.Zero);

        using var package = System.IO.Compression.ZipFile.OpenRead(Path.Combine(packages, "PluginServer.Abstractions.1.0.0-test.nupkg"));
        Assert.That(package.Entries.Select(entry => entry.FullName), Is.SupersetOf(new[] { "lib/net10.0/PluginServer.Abstractions.dll", "lib/net10.0/PluginServer.Abstractions.xml", "README.md" }));
    }
}
