using System.Security.Cryptography;
using System.Text;

namespace PluginServer.Administration;

/// <summary>The secret of one run of the host: who can read its file may change what runs.</summary>
internal sealed class AdminToken
{
    private const string Scheme = "Bearer ";
    private readonly byte[] _secret;

    private AdminToken(string file, string secret)
    {
        File = file;
        _secret = Encoding.ASCII.GetBytes(secret);
    }

    /// <summary>Absolute path.</summary>
    public string File { get; }

    /// <summary>Makes a new one and writes it into the state directory, for the host's user alone.</summary>
    public static AdminToken Create(string stateDirectory)
    {
        var file = Path.Combine(stateDirectory, "token");
        var secret = RandomNumberGenerator.GetHexString(64, lowercase: true);

        // A new file: one that is there keeps the mode that somebody gave it.
        System.IO.File.Delete(file);
        using var stream = new FileStream(file, OwnerOnly.New());
        stream.Write(Encoding.ASCII.GetBytes(secret + "\n"));
        return new AdminToken(file, secret);
    }

    /// <summary>Whether an Authorization header bears it; takes as long for a near miss as for a far one.</summary>
    public bool Accepts(string? authorization) =>
        authorization is not null
        && authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
        && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(authorization[Scheme.Length..].Trim()), _secret);
}
