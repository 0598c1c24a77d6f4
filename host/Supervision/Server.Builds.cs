using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Plugins;

namespace PluginServer.Supervision;

/// <content>Which build of a plugin is used, and what is kept of the others.</content>
internal sealed partial class Server
{
    /// <summary>The builds to use: what lies in the drop folders, but nothing that was rolled back. What cannot be read is left out,
    /// for the preparation to say why.</summary>
    public Dictionary<string, PluginBuild> Choose(ServerConfig config)
    {
        var builds = new Dictionary<string, PluginBuild>(StringComparer.Ordinal);
        foreach (var name in config.Endpoints.Select(endpoint => endpoint.Plugin).Distinct(StringComparer.Ordinal))
        {
            try
            {
                var build = Store.Import(config.PluginDirectory, name);
                builds[name] = History.IsRolledBack(name, build.Sha256) ? Plugin(name)?.Active?.Build ?? Before(name, build.Sha256) ?? build : build;
            }
            catch (PluginException)
            {
                // Said by the preparation, with its place.
            }
        }

        return builds;
    }

    /// <summary>The latest build of a plugin that served, other than this one, and is still whole in the store.</summary>
    public PluginBuild? Before(string name, string? sha256) =>
        History.Served(name).Where(served => served != sha256).Select(served => Store.Find(name, served)).FirstOrDefault(build => build is not null);

    private bool FallBack(ApplyResult result, Dictionary<string, PluginBuild> builds)
    {
        var found = false;
        foreach (var (name, failed) in result.Failed)
        {
            // One build further back each time, until one serves or none is left.
            var tried = builds.GetValueOrDefault(name)?.Sha256;
            var served = History.Served(name);
            var next = served.IndexOf(tried ?? "") + 1;
            var build = served.Skip(next).Where(sha256 => sha256 != tried).Select(sha256 => Store.Find(name, sha256)).FirstOrDefault(candidate => candidate is not null);
            if (build is not null)
            {
                Log.FellBack(_log, name, build.Sha256, string.Join(Environment.NewLine, failed.Errors));
                builds[name] = build;
                found = true;
            }
        }

        return found;
    }

    /// <summary>Removes the copies of builds that are gone, but for the last ones that served, and what a killed host left half done.</summary>
    private void CleanStore()
    {
        foreach (var plugin in Plugins)
        {
            Store.Clean(plugin.Name, [.. History.Served(plugin.Name), .. plugin.Generations.Where(generation => generation.State != GenerationState.Unloaded).Select(generation => generation.Build.Sha256)]);
        }
    }
}
