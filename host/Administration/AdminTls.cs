using System.Net.Security;
using Microsoft.Extensions.Logging;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;
using PluginServer.Supervision;

namespace PluginServer.Administration;

/// <summary>What the administration endpoint shows in handshakes: looked at again once a minute, so that a renewed certificate needs no restart.</summary>
internal sealed class AdminTls(TlsConfig config, TlsCredentials first, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan _fresh = TimeSpan.FromMinutes(1);
    private readonly Lock _gate = new();
    private volatile TlsCredentials _credentials = first;
    private long _loaded = time.GetTimestamp();
    private string _refused = "";

    /// <summary>For a client that asks for this host; null where it named none.</summary>
    public SslServerAuthenticationOptions Select(string? serverName)
    {
        if (_gate.TryEnter())
        {
            try
            {
                Renew();
            }
            finally
            {
                _gate.Exit();
            }
        }

        return _credentials.Select(serverName);
    }

    /// <summary>Those of its certificates that are to be renewed by now.</summary>
    public IEnumerable<Problem> Due() => _credentials.Due(time.GetUtcNow()).Select(static due => new Problem(Problems.Certificate, null, null, $"administration: {due}"));

    /// <summary>Whether its certificates are for this host.</summary>
    public bool IsFor(string host) => _credentials.IsFor(host);

    public static void Warn(ILogger log, IEnumerable<string> warnings)
    {
        foreach (var warning in warnings)
        {
            Log.AdministrationTlsWarning(log, warning);
        }
    }

    private void Renew()
    {
        if (time.GetElapsedTime(_loaded) < _fresh)
        {
            return;
        }

        _loaded = time.GetTimestamp();
        var load = TlsCredentials.Load(config, time.GetUtcNow(), _credentials);
        if (load.Credentials is { } renewed)
        {
            Warn(log, renewed.Warnings.Except(_credentials.Warnings));
            (_credentials, _refused) = (renewed, "");
            return;
        }

        // Each minute finds the same again, until somebody mends it.
        var refused = string.Join("; ", load.Errors);
        if (refused != _refused)
        {
            _refused = refused;
            Log.AdministrationKeepsCertificate(log, refused);
        }
    }
}
