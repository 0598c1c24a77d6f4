using System.Collections.Immutable;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

namespace PluginServer.Plugins;

/// <summary>Which builds of each plugin have served, and which must not: kept in the state directory, over restarts.</summary>
internal sealed class BuildHistory(string stateDirectory)
{
    /// <summary>How many builds that served are kept to go back to.</summary>
    public const int Kept = 3;

    private readonly Lock _gate = new();

    /// <summary>Hashes of the builds that served, the latest first.</summary>
    public ImmutableArray<string> Served(string plugin) => Read(plugin).Served;

    /// <summary>Whether a build was rolled back: it does not come back until its folder has other content.</summary>
    public bool IsRolledBack(string plugin, string sha256) => Read(plugin).RolledBack.Contains(sha256);

    /// <summary>A build has begun to serve.</summary>
    public void MarkServed(string plugin, string sha256) => Change(plugin, entry => entry with
    {
        Served = [.. entry.Served.Remove(sha256).Insert(0, sha256).Take(Kept)],
        RolledBack = entry.RolledBack.Remove(sha256),
    });

    public void MarkRolledBack(string plugin, string sha256) => Change(plugin, entry => entry with
    {
        Served = entry.Served.Remove(sha256),
        RolledBack = entry.RolledBack.Remove(sha256).Add(sha256),
    });

    private string PathOf(string plugin) => Path.Combine(stateDirectory, "plugins", plugin, "builds.json");

    private Entry Read(string plugin)
    {
        lock (_gate)
        {
            try
            {
                return File.Exists(PathOf(plugin)) ? Entry.Parse(File.ReadAllText(PathOf(plugin))) : new Entry([], []);
            }
            catch (JsonException)
            {
                // It is written by a rename, so only a person can have damaged it; without it there is nothing to go back to.
                return new Entry([], []);
            }
        }
    }

    private void Change(string plugin, Func<Entry, Entry> change)
    {
        lock (_gate)
        {
            var path = PathOf(plugin);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            var fresh = $"{path}.new";
            File.WriteAllText(fresh, change(Read(plugin)).ToJson());
            File.Move(fresh, path, overwrite: true);
        }
    }

    /// <remarks>By tokens and not by reflection: what Newtonsoft.Json finds out about a type it keeps, and when two threads ask for the
    /// first time at once it may keep that half done; see its issue 1961.</remarks>
    private sealed record Entry(ImmutableArray<string> Served, ImmutableArray<string> RolledBack)
    {
        /// <exception cref="JsonException">It is no JSON object.</exception>
        public static Entry Parse(string json)
        {
            var read = JObject.Parse(json);
            return new Entry(Hashes(read[nameof(Served)]), Hashes(read[nameof(RolledBack)]));
        }

        public string ToJson() =>
            new JObject { [nameof(Served)] = new JArray(Served), [nameof(RolledBack)] = new JArray(RolledBack) }.ToString(Formatting.Indented);

        private static ImmutableArray<string> Hashes(JToken? token) =>
            token is JArray array ? [.. array.OfType<JValue>().Select(static value => value.Value).OfType<string>()] : [];
    }
}
