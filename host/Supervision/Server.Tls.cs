using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;

namespace PluginServer.Supervision;

/// <content>Which certificates each endpoint shows.</content>
internal sealed partial class Server
{
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    /// <summary>From the first certificate on.</summary>
    private ITimer? _calendar;

    /// <summary>By identity of the endpoint, for all that have a <c>tls</c> section. What could not be loaded is an error only where nothing else of the
    /// same files serves: a certificate that is broken while it serves has been reported, and stops nothing.</summary>
    private Dictionary<string, TlsCredentials> Credentials(ServerConfig next, PreparedTls tls, List<ConfigError> errors)
    {
        var credentials = new Dictionary<string, TlsCredentials>(StringComparer.Ordinal);
        foreach (var config in next.Endpoints.Where(config => config.Tls is not null))
        {
            var load = tls.Of(config);
            if ((load?.Credentials ?? Serving(config)) is { } usable)
            {
                credentials.Add(config.Identity, usable);
            }
            else
            {
                errors.AddRange(load?.Errors ?? []);
            }
        }

        return credentials;
    }

    private TlsCredentials? Serving(EndpointConfig config) =>
        Endpoints.FirstOrDefault(endpoint => endpoint.Config.Identity == config.Identity) is { } endpoint && endpoint.Config.Tls == config.Tls ? endpoint.Credentials : null;

    private static IEnumerable<string> Renewed(Endpoint endpoint, Dictionary<string, TlsCredentials> credentials) =>
        endpoint.Credentials is { } before && credentials.GetValueOrDefault(endpoint.Config.Identity) is { } after
            ? after.Changes(before).Select(line => $"endpoint {endpoint.Name}: {line}")
            : [];

    /// <summary>From the next handshake on; before anything new is accepted, which would be served without. What is to be warned of is said once.
    /// An endpoint that leaves keeps what it has for those who still wait.</summary>
    private void Take(ServerConfig next, Dictionary<string, TlsCredentials> credentials, List<Endpoint> opened)
    {
        var staying = next.Endpoints.Select(config => config.Identity).ToHashSet(StringComparer.Ordinal);
        foreach (var endpoint in Endpoints.Concat(opened).Where(endpoint => staying.Contains(endpoint.Config.Identity)))
        {
            var before = endpoint.Credentials;
            endpoint.Credentials = credentials.GetValueOrDefault(endpoint.Config.Identity);
            foreach (var warning in (endpoint.Credentials?.Warnings ?? []).Except(before?.Warnings ?? []))
            {
                Log.TlsWarning(_log, endpoint.Name, warning);
            }
        }

        if (credentials.Count > 0)
        {
            _calendar ??= _time.CreateTimer(static server => ((Server)server!).WarnOfExpiry(), this, Day, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Every day, and not once: what was said a fortnight ago is forgotten, and whoever should have renewed it thinks that he has.</summary>
    private void WarnOfExpiry()
    {
        foreach (var endpoint in Endpoints)
        {
            foreach (var warning in endpoint.Credentials?.Due(_time.GetUtcNow()) ?? [])
            {
                Log.TlsWarning(_log, endpoint.Name, warning);
            }
        }

        _calendar!.Change(Day, Timeout.InfiniteTimeSpan);
    }
}
