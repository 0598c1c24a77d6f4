namespace PluginServer.Testing.Tests;

/// <summary>A folder of one test's own.</summary>
internal sealed class Scratch : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("plugin-server-kit-").FullName;

    /// <summary>The build output of a fixture, as a path that the kit finds by itself.</summary>
    public static string Fixture(string name) => $"artifacts/fixtures/{name}";

    public string Write(string path, string text)
    {
        var file = Path.Combine(Root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
        return file;
    }

    /// <summary>A copy of a fixture's build under another path, with files of the test's own.</summary>
    public string Copy(string fixture, string folder, params string[] without)
    {
        var source = new DirectoryInfo(AppContext.BaseDirectory);
        while (!Directory.Exists(Path.Combine(source.FullName, Fixture(fixture))))
        {
            source = source.Parent!;
        }

        var target = Directory.CreateDirectory(Path.Combine(Root, folder)).FullName;
        foreach (var file in Directory.EnumerateFiles(Path.Combine(source.FullName, Fixture(fixture))).Where(file => !without.Contains(Path.GetFileName(file))))
        {
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        }

        return target;
    }

    /// <summary>A project of a plugin with this source, which needs nothing but the contract.</summary>
    public string Project(string name, string source)
    {
        Write($"{name}/Handler.cs", source);
        return Write($"{name}/{name}.csproj", $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
              </PropertyGroup>
              <ItemGroup>
                <Reference Include="PluginServer.Abstractions" HintPath="{Path.Combine(AppContext.BaseDirectory, "PluginServer.Abstractions.dll")}" Private="false" />
              </ItemGroup>
            </Project>
            """);
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
