using System.Security.Cryptography;
using System.Text;

namespace PluginServer.Administration;

/// <summary>The secret of one run of the host: who can read its file may change what runs.</summary>
internal sealed class AdminToken
{
    private const string Scheme = "Bearer ";
    private const string BasicScheme = "Basic ";
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

    /// <summary>Whether an Authorization header has it as the password of RFC 7617, under any name: what browsers ask a person for.</summary>
    public bool AcceptsPassword(string? authorization) =>
        authorization is not null
        && authorization.StartsWith(BasicScheme, StringComparison.OrdinalIgnoreCase)
        && Decoded(authorization[BasicScheme.Length..].Trim()) is { } pair
        && CryptographicOperations.FixedTimeEquals(pair.AsSpan(pair.AsSpan().IndexOf((byte)':') + 1), _secret);

    /// <summary>Whether an Authorization header bears it; takes as long for a near miss as for a far one.</summary>
    public bool Accepts(string? authorization) =>
        authorization is not null
        && authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
        && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(authorization[Scheme.Length..].Trim()), _secret);

    private static byte[]? Decoded(string text)
    {
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text, bytes, out var length) ? bytes[..length] : null;
    }
}
