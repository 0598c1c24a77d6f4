namespace PluginServer.Configuration;

/// <summary>What the keys of a <c>tls</c> section must be to each other, as far as that can be said without its files.</summary>
internal sealed class TlsRules(ConfigPositions positions, List<ConfigError> errors)
{
    // RFC 7301, 3.1: the list has two bytes for its length, and each name has one byte for its own.
    private const int LongestAlpn = 65_535;

    /// <summary>Leaves out what is wrong in itself: that is reported already and would only echo here.</summary>
    public void Check(ConfigSection tls)
    {
        if (tls.Node is null)
        {
            return;
        }

        var position = positions.Of(tls.Node.Path);
        Files(tls, position);
        Hosts(tls);
        Authorities(tls, position);
        Alpn(tls);
    }

    private void Hosts(ConfigSection tls)
    {
        var earlier = new Dictionary<string, ConfigPosition>(StringComparer.Ordinal);
        foreach (var entry in tls.Items("sni"))
        {
            var position = positions.Of(entry.Node!.Path);
            Files(entry, position);
            if (!entry.TryRead<string>("host", out var host))
            {
                continue;
            }

            if (!HostName.TryGetAscii(host!, out var ascii))
            {
                errors.Add(position["host"].Error($"'{host}' can be no host's name, expected labels of at most 63 characters; a client that connects to an address names no host"));
            }
            else if (!earlier.TryAdd(ascii, position))
            {
                errors.Add(position["host"].Error($"'{host}' has a certificate already, in {earlier[ascii].Path} at line {earlier[ascii].Line}; remove one of them"));
            }
        }
    }

    private void Files(ConfigSection section, ConfigPosition position)
    {
        if (!section.TryRead<string>("certificate", out var certificate))
        {
            return;
        }

        var isPkcs12 = CertificateConfig.IsPkcs12Name(certificate!);
        var hasKey = section.TryRead<string>("key", out _);
        if (hasKey && section.Node!["passwordFile"] is not null)
        {
            errors.Add(position["passwordFile"].Error($"\"key\" and \"passwordFile\" exclude each other; {(isPkcs12 ? "remove \"key\": a .pfx file holds its key" : "remove \"passwordFile\", which is for a .pfx file")}"));
        }
        else if (hasKey && isPkcs12)
        {
            errors.Add(position["key"].Error("a .pfx or .p12 file holds its key; remove \"key\", or name a PEM certificate"));
        }
        else if (!isPkcs12 && section.TryRead<string>("passwordFile", out _))
        {
            errors.Add(position["passwordFile"].Error("only a .pfx or .p12 file has a password here; name one as \"certificate\", or the PEM key, without a password, as \"key\""));
        }
    }

    private void Authorities(ConfigSection tls, ConfigPosition position)
    {
        if (!tls.TryRead<string>("clientCertificate", out var kind))
        {
            return;
        }

        var isAsked = !string.Equals(kind, nameof(ClientCertificateKind.None), StringComparison.OrdinalIgnoreCase);
        if (isAsked && tls.Node!["clientAuthorities"] is null)
        {
            errors.Add(position["clientAuthorities"].Error($"missing, expected the PEM file with the authorities of the clients' certificates, as \"clientCertificate\" is \"{kind}\""));
        }
        else if (!isAsked && tls.TryRead<string>("clientAuthorities", out _))
        {
            errors.Add(position["clientAuthorities"].Error("clients are asked for no certificate; set \"clientCertificate\" to \"allow\" or \"require\", or remove this"));
        }
    }

    private void Alpn(ConfigSection tls)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        var item = ConfigKeys.Below(ConfigKeys.Member(tls.Key, "alpn")!)[0];
        var length = 0;
        foreach (var node in (tls.Node!["alpn"]?.Items ?? []).Where(node => ConfigValue.Of(item, node.Value).Fault is null))
        {
            var name = (string)node.Value!;
            length += 1 + name.Length;
            if (!names.Add(name))
            {
                errors.Add(positions.Of(node.Path).Error($"'{name}' is in the list already; remove one of them"));
            }
        }

        if (length > LongestAlpn)
        {
            errors.Add(positions.Of(tls.Node["alpn"]!.Path).Error($"the names take {length} bytes together, and TLS has room for {LongestAlpn}; remove some"));
        }
    }
}
