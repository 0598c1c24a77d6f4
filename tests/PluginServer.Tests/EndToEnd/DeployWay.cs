namespace PluginServer.Tests.EndToEnd;

/// <summary>One way in which people bring a plugin or plugins.json to where the host looks, as they type it.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Script">For <c>sh -e</c>. A plugin: the build in $NEW to the folder $OLD. plugins.json: in $FILE the line of the endpoint "edited" goes from $FROM to $TO.</param>
/// <param name="Needs">The programs that it is about.</param>
/// <param name="Prepare">Another shape of what is there already, or of what is to come; no change for the host.</param>
internal sealed record DeployWay(string Name, string Script, string Needs = "sh", string Prepare = "")
{
    private const string Project = """
        mkdir -p publish && cp "$SOURCES"/*.cs publish/ && cp "$NEW/version.txt" publish/
        cat > publish/Swap.csproj <<END
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup>
            <TargetFramework>net10.0</TargetFramework>
            <ImplicitUsings>enable</ImplicitUsings>
            <EnableDynamicLoading>true</EnableDynamicLoading>
          </PropertyGroup>
          <ItemGroup>
            <FrameworkReference Include="Microsoft.AspNetCore.App" />
            <Reference Include="$CONTRACT" Private="false" />
            <None Include="version.txt" CopyToPublishDirectory="PreserveNewest" />
          </ItemGroup>
        </Project>
        END
        """;

    private const string Publish = """cd publish && dotnet publish -p:Version="1.0.$NUMBER" -o "$OLD" """;

    /// <summary>Those after which the folder has another shape come last.</summary>
    private static readonly DeployWay[] _ofPlugins =
    [
        new("cp over", """cp -r "$NEW/." "$OLD/" """),
        new("folder renamed away and another in", """cp -r "$NEW" "$OLD.next"; mv "$OLD" "$OLD.before"; mv "$OLD.next" "$OLD"; rm -r "$OLD.before" """),
        new("mv over, file by file", """cp -r "$NEW" "$OLD.next"; mv -f "$OLD.next"/* "$OLD/"; rmdir "$OLD.next" """),
        new("rm and cp", """rm -r "$OLD"; cp -r "$NEW" "$OLD" """),
        new("rsync -a", """rsync -a "$NEW/" "$OLD/" """, "rsync"),
        new("rsync -a --inplace", """rsync -a --inplace "$NEW/" "$OLD/" """, "rsync"),
        new("rsync -a --delete", """rsync -a --delete "$NEW/" "$OLD/" """, "rsync"),
        new("unzip -o", """unzip -q -o new.zip -d "$OLD" """, "zip unzip", """cd "$NEW"; rm -f ../../new.zip; zip -q -r ../../new.zip ."""),
        new("tar x", """tar -x -f new.tar -C "$OLD" """, "tar", """tar -c -f new.tar -C "$NEW" ."""),
        new("install", """install -m 644 "$NEW"/* "$OLD/" """, "install"),
        new("dotnet publish -o", Publish, "dotnet", Project),
        new("dotnet publish -o again", Publish, "dotnet", """cp "$NEW/version.txt" publish/"""),
        new("link of the folder flipped", """cp -r "$NEW" "$OLD.second"; ln -s "$(basename "$OLD").second" "$OLD.link"; mv -T "$OLD.link" "$OLD" """,
            Prepare: """mv "$OLD" "$OLD.first"; ln -s "$(basename "$OLD").first" "$OLD" """),
        new("cp over behind a link", """cp -r "$NEW/." "$OLD/" """),
        new("Kubernetes' ..data flipped", """
                cp -r "$NEW" "$OLD/..2026_11_24"; ln -s ..2026_11_24 "$OLD/..data_tmp"; mv -T "$OLD/..data_tmp" "$OLD/..data"
                for file in "$NEW"/*; do [ -e "$OLD/$(basename "$file")" ] || ln -s "..data/$(basename "$file")" "$OLD/"; done
                for file in "$OLD"/*; do [ -e "$file" ] || rm "$file"; done
                rm -r "$OLD/..2026_11_23"
                """,
            Prepare: """
                mkdir "$OLD.mount"; cp -rL "$OLD" "$OLD.mount/..2026_11_23"; ln -s ..2026_11_23 "$OLD.mount/..data"
                for file in "$OLD"/*; do ln -s "..data/$(basename "$file")" "$OLD.mount/$(basename "$file")"; done
                rm -r "$OLD"; mv "$OLD.mount" "$OLD"
                """),
        new("Kubernetes' ..data of all plugins flipped", """
                cd "$OLD/.."; mkdir ..2026_11_24; cp -r "$NEW" ..2026_11_24/Swap
                ln -s ..2026_11_24 ..data_tmp; mv -T ..data_tmp ..data; rm -r ..2026_11_23
                """,
            Prepare: """
                cd "$OLD/.."; mkdir -p ..2026_11_23/Swap; cp -rL Swap/* ..2026_11_23/Swap/; ln -s ..2026_11_23 ..data
                rm -r Swap; ln -s ..data/Swap Swap
                """),
    ];

    private static readonly DeployWay[] _ofConfig =
    [
        new("vim", Vim(""), "vim"),
        new("in place, as VS Code", """sed "/edited/s/$FROM/$TO/" "$FILE" > edited.json; : > "$FILE"; sleep 0.05; cat edited.json > "$FILE" """),
        new("vim, backupcopy=yes", Vim("set backupcopy=yes"), "vim"),
        new("vim, backupcopy=no", Vim("set backupcopy=no"), "vim"),
        new("vim, backup kept", Vim("set backup"), "vim"),
        new("sed -i", """sed -i "/edited/s/$FROM/$TO/" "$FILE" """, "sed"),
        new("cp over", """sed "/edited/s/$FROM/$TO/" "$FILE" > edited.json; cp edited.json "$FILE" """),
        new("mv over", """sed "/edited/s/$FROM/$TO/" "$FILE" > edited.json; mv edited.json "$FILE" """),
        new("rsync", """sed "/edited/s/$FROM/$TO/" "$FILE" > edited.json; rsync -a edited.json "$FILE" """, "rsync"),
        new("a ConfigMap's ..data flipped", """
                mkdir ..second; sed "/edited/s/$FROM/$TO/" "$FILE" > ..second/plugins.json
                ln -s ..second ..data_tmp; mv -T ..data_tmp ..data; rm -r ..first
                """,
            Prepare: """mkdir ..first; cp "$FILE" ..first/; ln -s ..first ..data; ln -s ..data/plugins.json linked; mv -T linked "$FILE" """),
    ];

    /// <summary>All at full size; the first two here.</summary>
    private static readonly int _count = int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_DEPLOYS"), out var count) ? count : 2;

    public static IEnumerable<DeployWay> OfPlugins => _ofPlugins.Take(_count);

    public static IEnumerable<DeployWay> OfConfig => _ofConfig.Take(_count);

    public override string ToString() => Name;

    private static string Vim(string setting) => $"""vim -N -u NONE -es -c '{(setting == "" ? "" : $"{setting} | ")}set nomodeline' -c "/edited/s/$FROM/$TO/" -c wq "$FILE" < /dev/null""";
}
