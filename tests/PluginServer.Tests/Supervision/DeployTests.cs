using System.Diagnostics;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Supervision;

/// <summary>Every way people deploy gives exactly one swap, in a host that watches, while clients are served.</summary>
/// <remarks>Not beside other tests: a copy that is held up for longer than a change must hold still would rightly count as two.</remarks>
[NonParallelizable]
internal sealed class DeployTests
{
    [Test]
    public async Task Each_way_to_deploy_is_one_swap_and_no_client_notices()
    {
        var workspace = new Workspace().With("Swap").Version("0").Configure("""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" } ]""");
        var folder = workspace.PluginFolder("Swap");
        await using var server = await TestServer.StartAsync(workspace, watch: true);
        using var living = await server.ConnectAsync();

        // Each deploys the next build from $NEW over $OLD.
        string[] ways =
        [
            "cp -r $NEW/. $OLD/",
            "for f in $NEW/*; do cp $f $OLD/.part && mv $OLD/.part $OLD/$(basename $f); done",
            "mv $OLD $OLD.before && cp -r $NEW $OLD.next && mv $OLD.next $OLD",
            "rm -rf $OLD && mkdir $OLD && for f in $NEW/*; do cp $f $OLD/; sleep 0.05; done",
            "mv $OLD $OLD.real && ln -s $(basename $OLD).real $OLD && cp -r $NEW/. $OLD/",
            "cp -r $NEW $OLD.second && ln -s $(basename $OLD).second $OLD.link && mv -T $OLD.link $OLD",
        ];
        for (var way = 0; way < ways.Length; way++)
        {
            var next = Path.Combine(workspace.Root, $"build{way + 1}");
            await ShellAsync($"cp -r {Repository.Fixture("Swap")} {next} && printf {way + 1} > {next}/version.txt");
            await ShellAsync($"NEW={next} OLD={folder}; {ways[way]}");
            var expected = $"{way + 1} ping";
            await Deadline.UntilAsync(() => server.Server.Revision == way + 2, $"one swap after: {ways[way]}");
            using var client = await server.ConnectAsync();
            await client.SendAsync("ping\n");
            Assert.That(await client.ReadLineAsync(), Is.EqualTo(expected), () => $"{ways[way]}\n{string.Join('\n', server.Log)}");
            await living.SendAsync("ping\n");
            Assert.That(await living.ReadLineAsync(), Is.EqualTo("0 ping"), "who is inside keeps the version that accepted it");
        }

        Assert.That(server.Server.Generations, Has.Count.EqualTo(ways.Length + 1), "and not one swap more");
        Assert.That(server.Log.Where(line => line.Contains("Rejected", StringComparison.Ordinal)), Is.Empty);
    }

    [Test]
    public async Task An_edit_of_plugins_json_is_applied_however_it_is_saved()
    {
        var workspace = new Workspace().With("Swap").Version("0").Configure(Endpoint(10));
        await using var server = await TestServer.StartAsync(workspace, watch: true);

        await File.WriteAllTextAsync(workspace.ConfigFile + "~", Text(workspace, 20));
        await ShellAsync($"mv {workspace.ConfigFile} {workspace.ConfigFile}.bak && mv {workspace.ConfigFile}~ {workspace.ConfigFile} && rm {workspace.ConfigFile}.bak");
        await Deadline.UntilAsync(() => server.Endpoint().Places.Limit == 20, "saved as vim does");

        await File.WriteAllTextAsync(workspace.ConfigFile, Text(workspace, 30));
        await Deadline.UntilAsync(() => server.Endpoint().Places.Limit == 30, "saved in place");
        Assert.That(server.Server.Revision, Is.EqualTo(3));
    }

    private static string Endpoint(int limit) => $$"""[ { "name": "test", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler", "maxConnections": {{limit}} } ]""";

    private static string Text(Workspace workspace, int limit) =>
        File.ReadAllText(workspace.ConfigFile).Replace(limit == 20 ? "10 }" : "20 }", $"{limit} }}", StringComparison.Ordinal);

    private static async Task ShellAsync(string command)
    {
        using var shell = Process.Start("sh", ["-ec", command]);
        await shell.WaitForExitAsync(Deadline.Token);
        Assert.That(shell.ExitCode, Is.Zero, command);
    }
}
