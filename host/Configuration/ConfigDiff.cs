using System.Security.Authentication;

namespace PluginServer.Configuration;

/// <summary>What an edit changes, in words: from one valid configuration to another.</summary>
internal static class ConfigDiff
{
    private const string NextStart = ", from the next start on";

    /// <summary>A line for each difference; none when both say the same.</summary>
    public static IReadOnlyList<string> Lines(ServerConfig before, ServerConfig after)
    {
        List<string> lines = [];
        Compare(lines, "pluginDirectory", before.PluginDirectory, after.PluginDirectory);
        Compare(lines, "stateDirectory", before.StateDirectory, after.StateDirectory, NextStart);
        Compare(lines, "admin.enabled", before.Admin.Enabled, after.Admin.Enabled, NextStart);
        Compare(lines, "admin.address", before.Admin.AddressText, after.Admin.AddressText, NextStart);
        Compare(lines, "admin.port", before.Admin.Port, after.Admin.Port, NextStart);
        if (before.Admin.Tls != after.Admin.Tls)
        {
            lines.Add($"admin.tls{NextStart}");
        }

        Compare(lines, "maxConnections", before.MaxConnections, after.MaxConnections);
        Compare(lines, "shutdownDelay", before.ShutdownDelay, after.ShutdownDelay);
        Compare(lines, "shutdownTimeout", before.ShutdownTimeout, after.ShutdownTimeout);
        foreach (var name in before.Plugins.Keys.Union(after.Plugins.Keys).Order(StringComparer.Ordinal))
        {
            Plugin(lines, before.Plugin(name), after.Plugin(name));
        }

        var old = before.Endpoints.ToDictionary(endpoint => endpoint.Identity, StringComparer.Ordinal);
        foreach (var endpoint in after.Endpoints)
        {
            if (old.Remove(endpoint.Identity, out var known))
            {
                Endpoint(lines, known, endpoint);
            }
            else
            {
                lines.Add($"endpoint {endpoint.Name} added on {endpoint.ListensOn}");
            }
        }

        lines.AddRange(old.Values.Select(endpoint => $"endpoint {endpoint.Name} removed from {endpoint.ListensOn}"));
        return lines;
    }

    private static void Plugin(List<string> lines, PluginConfig before, PluginConfig after)
    {
        var what = $"plugin {after.Name}: ";
        Compare(lines, what + "dispatch", before.Dispatch, after.Dispatch);
        Compare(lines, what + "drainTimeout", before.DrainTimeout, after.DrainTimeout);
        Compare(lines, what + "sha256", before.Sha256, after.Sha256);
        Compare(lines, what + "logLevel", before.LogLevel, after.LogLevel);
        if (before.Settings != after.Settings)
        {
            lines.Add($"{what}settings");
        }
    }

    private static void Endpoint(List<string> lines, EndpointConfig before, EndpointConfig after)
    {
        var what = $"endpoint {after.Name}: ";
        Compare(lines, what + "name", before.Name, after.Name);
        Compare(lines, what + "plugin", before.Plugin, after.Plugin);
        Compare(lines, what + "handler", before.Handler, after.Handler);
        Compare(lines, what + "transport", before.Transport, after.Transport);
        Compare(lines, what + "acceptors", before.Acceptors, after.Acceptors);
        Compare(lines, what + "backlog", before.Backlog, after.Backlog);
        Compare(lines, what + "maxConnections", before.MaxConnections, after.MaxConnections);
        Compare(lines, what + "overflow", before.Overflow, after.Overflow);
        Compare(lines, what + "maxConnectionsPerAddress", before.Access.ConnectionsPerAddress, after.Access.ConnectionsPerAddress);
        Compare(lines, what + "connectionsPerSecond", before.Access.ConnectionsPerSecond, after.Access.ConnectionsPerSecond);
        Compare(lines, what + "allow", before.Access.Allow, after.Access.Allow);
        Compare(lines, what + "deny", before.Access.Deny, after.Access.Deny);
        Compare(lines, what + "handshakeTimeout", before.HandshakeTimeout, after.HandshakeTimeout);
        Compare(lines, what + "proxyProtocol", before.ProxyProtocol, after.ProxyProtocol);
        Compare(lines, what + "trustedProxies", before.TrustedProxies, after.TrustedProxies);
        Compare(lines, what + "unixMode", Octal(before.UnixMode), Octal(after.UnixMode));
        Compare(lines, what + "unixOwner", before.UnixOwner, after.UnixOwner);
        Compare(lines, what + "idleTimeout", before.IdleTimeout, after.IdleTimeout);
        Compare(lines, what + "maxLifetime", before.MaxLifetime, after.MaxLifetime);
        Compare(lines, what + "readLimit", before.ReadLimit, after.ReadLimit);
        Compare(lines, what + "messageTimeout", before.MessageTimeout, after.MessageTimeout);
        Compare(lines, what + "minimumRate", before.MinimumRate, after.MinimumRate);
        Tls(lines, what + "tls", before.Tls, after.Tls);
        Compare(lines, what + "socket", before.Socket, after.Socket);
        if (before.Settings != after.Settings)
        {
            lines.Add($"{what}settings");
        }
    }

    private static void Tls(List<string> lines, string what, TlsConfig? before, TlsConfig? after)
    {
        if (before is null || after is null)
        {
            Compare(lines, what, before?.Certificate.File, after?.Certificate.File);
            return;
        }

        Certificate(lines, what, before.Certificate, after.Certificate);
        var old = before.Sni.ToDictionary(entry => entry.Host, entry => entry.Certificate, StringComparer.Ordinal);
        foreach (var (host, certificate) in after.Sni)
        {
            if (old.Remove(host, out var known))
            {
                Certificate(lines, $"{what}.sni {host}", known, certificate);
            }
            else
            {
                lines.Add($"{what}.sni {host}: null -> {certificate.File}");
            }
        }

        lines.AddRange(old.Select(entry => $"{what}.sni {entry.Key}: {entry.Value.File} -> null"));
        Compare(lines, what + ".clientCertificate", before.ClientCertificate, after.ClientCertificate);
        Compare(lines, what + ".clientAuthorities", before.ClientAuthorities, after.ClientAuthorities);
        Compare(lines, what + ".alpn", string.Join(", ", before.Alpn), string.Join(", ", after.Alpn));
        Compare(lines, what + ".minimumVersion", Version(before), Version(after));
    }

    private static string Version(TlsConfig tls) => tls.MinimumVersion == SslProtocols.Tls13 ? "1.3" : "1.2";

    private static void Certificate(List<string> lines, string what, CertificateConfig before, CertificateConfig after)
    {
        Compare(lines, what + ".certificate", before.File, after.File);
        Compare(lines, what + ".key", before.Key, after.Key);
        Compare(lines, what + ".passwordFile", before.PasswordFile, after.PasswordFile);
    }

    private static void Compare<T>(List<string> lines, string key, T before, T after, string when = "")
    {
        if (!EqualityComparer<T>.Default.Equals(before, after))
        {
            lines.Add($"{key}: {Text(before)} -> {Text(after)}{when}");
        }
    }

    private static string Octal(UnixFileMode mode) => Convert.ToString((int)mode, 8);

    private static string Text<T>(T value) => value?.ToString() ?? "null";
}
