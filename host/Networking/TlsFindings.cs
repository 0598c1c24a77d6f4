using PluginServer.Configuration;

namespace PluginServer.Networking;

/// <summary>What is found while the files of a <c>tls</c> section are loaded.</summary>
/// <param name="now">The time that certificates must be valid at.</param>
internal sealed class TlsFindings(DateTimeOffset now)
{
    /// <summary>Before the end, it is time to renew: the authorities that renew by themselves do so earlier.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromDays(14);

    /// <summary>Without one the section can be used.</summary>
    public List<ConfigError> Errors { get; } = [];

    /// <summary>What works and should not stay so; each names the file.</summary>
    public List<string> Warnings { get; } = [];

    public DateTimeOffset Now => now;

    public void Add(ConfigPosition position, string error) => Errors.Add(position.Error(error));

    public void Warn(string warning)
    {
        // Several entries may name one file.
        if (!Warnings.Contains(warning))
        {
            Warnings.Add(warning);
        }
    }

    /// <summary>Warns of a secret that every user of the machine can read.</summary>
    public void CheckSecret(CredentialFile file)
    {
        if (file.IsOpenToAll)
        {
            Warn($"{file.Path} can be read by every user of this machine; take that away (chmod o-r)");
        }
    }

    /// <summary>Whether it is time to renew.</summary>
    public bool IsDue(DateTimeOffset validUntil) => IsDue(validUntil, now);

    /// <summary>Whether it is time to renew, at the time of the second.</summary>
    public static bool IsDue(DateTimeOffset validUntil, DateTimeOffset at) => validUntil - at < Soon;
}
