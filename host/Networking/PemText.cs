using System.Security.Cryptography;
using System.Text;

namespace PluginServer.Networking;

/// <summary>The blocks of a PEM file (RFC 7468), whatever they hold.</summary>
internal sealed class PemText
{
    private const string Begin = "-----BEGIN ";
    private const byte DerSequence = 0x30;
    private readonly bool _isBinary;

    public PemText(byte[] content)
    {
        _isBinary = content.Length > 0 && content[0] == DerSequence;

        // What stands between the blocks may be in any encoding; they themselves are ASCII.
        var text = Encoding.Latin1.GetString(content);
        IsEmpty = string.IsNullOrWhiteSpace(text);
        IsEncrypted = text.Contains("-----BEGIN ENCRYPTED PRIVATE KEY-----", StringComparison.Ordinal) || text.Contains("Proc-Type: 4,ENCRYPTED", StringComparison.Ordinal);
        var begun = 0;
        for (var at = text.IndexOf(Begin, StringComparison.Ordinal); at >= 0; at = text.IndexOf(Begin, at + Begin.Length, StringComparison.Ordinal))
        {
            begun++;
        }

        var rest = text.AsSpan();
        while (PemEncoding.TryFind(rest, out var fields))
        {
            Blocks.Add(new PemBlock(rest[fields.Label].ToString(), rest[fields.Location].ToString(), Convert.FromBase64String(rest[fields.Base64Data].ToString())));
            rest = rest[fields.Location.End..];
        }

        IsDamaged = Blocks.Count < begun;
    }

    public List<PemBlock> Blocks { get; } = [];

    public bool IsEmpty { get; }

    /// <summary>Whether a private key in it needs a password.</summary>
    public bool IsEncrypted { get; }

    /// <summary>Whether a block begins that does not end, as in a file that is half written, or is no Base64.</summary>
    public bool IsDamaged { get; }

    public IEnumerable<PemBlock> Certificates => Blocks.Where(block => block.Label == PemBlock.CertificateLabel);

    public IEnumerable<PemBlock> Keys => Blocks.Where(block => block.Label.EndsWith("PRIVATE KEY", StringComparison.Ordinal));

    /// <summary>What is there instead of what was looked for, and what to do; the file's name comes before it.</summary>
    /// <param name="wanted">With its article: "a certificate".</param>
    public string Explain(string wanted)
    {
        if (IsEmpty)
        {
            return $"is empty; write {wanted} into it, in PEM";
        }

        if (IsDamaged)
        {
            return "is damaged or only half written: a block begins with -----BEGIN and does not end; write it again";
        }

        return _isBinary
            ? $"is binary, expected {wanted} in PEM; convert it with openssl, or give a PKCS#12 file a name that ends in .pfx"
            : Blocks.Count == 0
                ? $"is no PEM file, expected {wanted} between -----BEGIN and -----END"
                : $"holds no {wanted[(wanted.IndexOf(' ', StringComparison.Ordinal) + 1)..]}, only {string.Join(", ", Blocks.Select(block => block.Label).Distinct())}; name another";
    }
}
