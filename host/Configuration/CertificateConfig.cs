namespace PluginServer.Configuration;

/// <summary>The files of one certificate.</summary>
internal sealed record CertificateConfig
{
    /// <summary>Absolute path; a PKCS#12 file where its name ends so, otherwise PEM.</summary>
    public required string File { get; init; }

    /// <summary>Absolute path; null where the key is in the file of the certificate.</summary>
    public string? Key { get; init; }

    /// <summary>Absolute path; null where a PKCS#12 file has no password.</summary>
    public string? PasswordFile { get; init; }

    /// <summary>Where the entry stands; <c>Position["certificate"]</c> is where the file's name does.</summary>
    public required ConfigPosition Position { get; init; }

    public bool IsPkcs12 => IsPkcs12Name(File);

    /// <summary>By absolute paths.</summary>
    public IEnumerable<string> Files => new[] { File, Key, PasswordFile }.OfType<string>();

    public static bool IsPkcs12Name(string file) =>
        file.EndsWith(".pfx", StringComparison.OrdinalIgnoreCase) || file.EndsWith(".p12", StringComparison.OrdinalIgnoreCase);
}
