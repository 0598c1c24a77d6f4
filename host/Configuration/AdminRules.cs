using System.Net;

namespace PluginServer.Configuration;

/// <summary>What the keys of the <c>admin</c> section must be to each other.</summary>
internal sealed class AdminRules(ConfigPositions positions, List<ConfigError> errors)
{
    /// <summary>Leaves out what is wrong in itself: that is reported already and would only echo here.</summary>
    public void Check(ConfigSection admin)
    {
        if (admin.Node is null || admin.Node["address"] is null || admin.Node["tls"] is not null || !admin.TryRead<IPAddress>("address", out var address))
        {
            return;
        }

        if (address is null || !IPAddress.IsLoopback(address))
        {
            errors.Add(positions.Of(admin.Node.Path)["address"].Error("off loopback the administration endpoint needs TLS; add \"tls\" with a certificate beside it, or use an address in \"127.0.0.0/8\" or \"::1\""));
        }
    }
}
