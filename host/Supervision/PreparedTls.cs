using PluginServer.Configuration;
using PluginServer.Networking;

namespace PluginServer.Supervision;

/// <summary>The certificates half of PREPARE: what the <c>tls</c> sections of a configuration name, loaded or with the reasons why not.</summary>
/// <remarks>Opens no port, so <c>check</c> goes exactly this far.</remarks>
internal sealed class PreparedTls
{
    /// <summary>Nothing was loaded: what serves goes on.</summary>
    public static readonly PreparedTls None = new();
    private readonly List<(EndpointConfig Endpoint, TlsLoad Load)> _loads = [];

    public IReadOnlyList<ConfigError> Errors => [.. _loads.SelectMany(entry => entry.Load.Errors)];

    /// <summary>All that the sections name which cannot be used: a change of one is a reason to try again.</summary>
    public IReadOnlyList<string> WaitsFor => [.. Failed.SelectMany(endpoint => endpoint.Tls!.Files).Distinct(StringComparer.Ordinal)];

    /// <summary>What was loaded, each with the name of its endpoint.</summary>
    public IEnumerable<(string Endpoint, TlsCredentials Credentials)> Loaded =>
        _loads.Where(entry => entry.Load.Credentials is not null).Select(entry => (entry.Endpoint.Name, entry.Load.Credentials!));

    private IEnumerable<EndpointConfig> Failed => _loads.Where(entry => entry.Load.Credentials is null).Select(entry => entry.Endpoint);

    /// <param name="config">What is to run.</param>
    /// <param name="now">The time that certificates must be valid at.</param>
    /// <param name="present">The endpoints that run now.</param>
    public static PreparedTls Load(ServerConfig config, DateTimeOffset now, IReadOnlyCollection<Endpoint> present)
    {
        var prepared = new PreparedTls();
        foreach (var endpoint in config.Endpoints.Where(endpoint => endpoint.Tls is not null))
        {
            var serving = present.FirstOrDefault(other => other.Config.Identity == endpoint.Identity);
            prepared._loads.Add((endpoint, TlsCredentials.Load(endpoint.Tls!, now, serving?.Credentials)));
        }

        return prepared;
    }

    /// <summary>What became of an endpoint's section; null where another one was loaded for it.</summary>
    public TlsLoad? Of(EndpointConfig endpoint) =>
        _loads.Find(entry => entry.Endpoint.Identity == endpoint.Identity && entry.Endpoint.Tls == endpoint.Tls).Load;

    /// <summary>What of an edit can be applied: an endpoint whose section cannot be used keeps the one that it has, and a new one is left out.</summary>
    /// <remarks>A new one may be what another is to move to: where an edit also removes endpoints it waits as a whole, so that nobody is left without either.</remarks>
    public ServerConfig Usable(ServerConfig wanted, ServerConfig running)
    {
        var present = running.Endpoints.ToDictionary(endpoint => endpoint.Identity, StringComparer.Ordinal);
        var failed = Failed.Select(endpoint => endpoint.Identity).ToHashSet(StringComparer.Ordinal);
        if (failed.All(identity => present.GetValueOrDefault(identity)?.Tls is { } tls && _loads.Exists(entry => entry.Endpoint.Identity == identity && entry.Endpoint.Tls == tls)))
        {
            return wanted;
        }

        var stay = wanted.Endpoints.Select(endpoint => endpoint.Identity).ToHashSet(StringComparer.Ordinal);
        if (failed.Except(present.Keys).Any() && present.Keys.Except(stay).Any())
        {
            return running;
        }

        return wanted with
        {
            Endpoints =
            [
                .. wanted.Endpoints
                    .Where(endpoint => !failed.Contains(endpoint.Identity) || present.ContainsKey(endpoint.Identity))
                    .Select(endpoint => failed.Contains(endpoint.Identity) ? endpoint with { Tls = present[endpoint.Identity].Tls } : endpoint),
            ],
        };
    }
}
