using System.Runtime.Versioning;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PluginServer.Configuration;
using PluginServer.Networking;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>Certificates as operators have them, and what is said of those that cannot be used.</summary>
internal sealed class TlsCredentialsTests
{
    private static readonly Lazy<TestCertificate> Root = new(() => TestCertificate.Authority("Root"));
    private static readonly Lazy<TestCertificate> Middle = new(() => TestCertificate.Authority("Middle", Root.Value));
    private static readonly Lazy<TestCertificate> Good = new(() => TestCertificate.Make("www.example.org", Middle.Value));
    private static readonly Lazy<TestCertificate> GoodRsa = new(() => TestCertificate.Make("rsa.example.org", Middle.Value, TestCertificate.NewRsa));
    private readonly CertificateFiles _files = new();
    private TlsSection? _section;

    [TearDown]
    public void Remove() => _files.Dispose();

    [Test]
    public void A_chain_with_its_key_can_be_used([Values] bool rsa)
    {
        var certificate = rsa ? GoodRsa.Value : Good.Value;
        _files.WritePair(certificate, Middle.Value, Root.Value);
        var credentials = Usable("\"key\": \"key.pem\"");
        Assert.That(credentials.Warnings, Is.Empty);
        var context = credentials.Select(null).ServerCertificateContext!;
        Assert.That(context.TargetCertificate.Thumbprint, Is.EqualTo(certificate.Certificate.Thumbprint));
        Assert.That(context.IntermediateCertificates.Select(sent => sent.Subject), Is.EqualTo(["CN=Middle"]), "the root is the client's own affair");
        Assert.That(credentials.Describe(), Is.EqualTo($"{(rsa ? "rsa" : "www")}.example.org valid until {DateTime.UtcNow.AddDays(90):yyyy-MM-dd}"));
        Assert.That(credentials.ValidUntil, Is.EqualTo(DateTimeOffset.UtcNow.AddDays(90)).Within(TimeSpan.FromMinutes(10)));
    }

    [Test]
    public void Every_usual_form_of_a_key_can_be_used([Values("pkcs8", "rsa", "ec", "parameters", "same file", "same file, key first")] string form)
    {
        var certificate = form == "rsa" ? GoodRsa.Value : Good.Value;
        _files.WritePair(certificate, Middle.Value);
        var ecdsa = certificate.Key as ECDsa;
        switch (form)
        {
            case "rsa":
                _files.Write("key.pem", ((RSA)certificate.Key).ExportRSAPrivateKeyPem());
                break;
            case "ec":
                _files.Write("key.pem", ecdsa!.ExportECPrivateKeyPem());
                break;
            case "parameters":
                // As "openssl ecparam -genkey" writes it.
                _files.Write("key.pem", "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n", ecdsa!.ExportECPrivateKeyPem());
                break;
            case "same file":
                _files.Write("cert.pem", certificate.Pem, Middle.Value.Pem, certificate.KeyPem);
                break;
            case "same file, key first":
                _files.Write("cert.pem", "Notes of whoever made it: é\n", certificate.KeyPem, certificate.Pem, Middle.Value.Pem);
                break;
        }

        Assert.That(Usable(form.StartsWith("same", StringComparison.Ordinal) ? "" : "\"key\": \"key.pem\"").Warnings, Is.Empty);
    }

    [TestCase(null, null)]
    [TestCase("secret", "secret")]
    [TestCase("secret", "secret\n")]
    [TestCase("sécret word", "\uFEFFsécret word\r\nand a note")]
    public void A_pfx_can_be_used(string? password, string? passwordFile)
    {
        _files.WritePkcs12("cert.pfx", password, Good.Value, Middle.Value);
        if (passwordFile is not null)
        {
            _files.Write("password", passwordFile);
        }

        var credentials = Usable(passwordFile is null ? "" : "\"passwordFile\": \"password\"", "cert.pfx");
        Assert.That(credentials.Warnings, Is.Empty);
        Assert.That(credentials.Select("").ServerCertificateContext!.IntermediateCertificates.Select(sent => sent.Subject), Is.EqualTo(["CN=Middle"]));
    }

    [TestCase("missing", "certificate: there is no file {cert.pem}; create it, or correct the name")]
    [TestCase("missing folder", "certificate: there is no file {cert.pem}; create it, or correct the name")]
    [TestCase("directory", "certificate: {cert.pem} is a directory, expected a file")]
    [TestCase("huge", "certificate: {cert.pem} has 4194305 bytes, and no file of certificates or keys is as long; name another")]
    [TestCase("empty", "certificate: {cert.pem} is empty; write a certificate into it, in PEM")]
    [TestCase("text", "certificate: {cert.pem} is no PEM file, expected a certificate between -----BEGIN and -----END")]
    [TestCase("binary", "certificate: {cert.pem} is binary, expected a certificate in PEM; convert it with openssl, or give a PKCS#12 file a name that ends in .pfx")]
    [TestCase("half", "certificate: {cert.pem} is damaged or only half written: a block begins with -----BEGIN and does not end; write it again")]
    [TestCase("half a chain", "certificate: {cert.pem} is damaged or only half written: a block begins with -----BEGIN and does not end; write it again")]
    [TestCase("swapped", "certificate: {cert.pem} holds no certificate, only PRIVATE KEY; name another")]
    [TestCase("not a certificate", "certificate: certificate 2 in {cert.pem} is damaged; write it again")]
    [TestCase("no key", "certificate: {cert.pem} holds no private key; put it into the file, or name the file that has it as \"key\"")]
    public void A_certificate_that_cannot_be_read_is_named(string trouble, string expected)
    {
        _files.WritePair(Good.Value, Middle.Value);
        var pem = File.ReadAllText(_files["cert.pem"]);
        switch (trouble)
        {
            case "missing":
                File.Delete(_files["cert.pem"]);
                break;
            case "missing folder":
                Directory.Delete(_files.Folder, recursive: true);
                break;
            case "directory":
                File.Delete(_files["cert.pem"]);
                Directory.CreateDirectory(_files["cert.pem"]);
                break;
            case "huge":
                _files.Write("cert.pem", new byte[(4 << 20) + 1]);
                break;
            case "empty":
                _files.Write("cert.pem", "");
                break;
            case "text":
                _files.Write("cert.pem", "to be done\n");
                break;
            case "binary":
                _files.Write("cert.pem", Good.Value.Certificate.RawData);
                break;
            case "half":
                _files.Write("cert.pem", pem[..300]);
                break;
            case "half a chain":
                _files.Write("cert.pem", pem[..^100]);
                break;
            case "swapped":
                _files.Write("cert.pem", Good.Value.KeyPem);
                break;
            case "not a certificate":
                _files.Write("cert.pem", Good.Value.Pem, PemEncoding.WriteString("CERTIFICATE", [0x30, 3, 2, 1, 1]));
                break;
        }

        var errors = Errors(trouble is "no key" or "missing folder" or "swapped" ? "" : "\"key\": \"key.pem\"");
        Assert.That(errors.Select(error => error.ToString()), Is.EqualTo([Expected(expected)]));
    }

    [TestCase("missing", "key: there is no file {key.pem}; create it, or correct the name")]
    [TestCase("empty", "key: {key.pem} is empty; write a private key into it, in PEM")]
    [TestCase("half", "key: {key.pem} is damaged or only half written: a block begins with -----BEGIN and does not end; write it again")]
    [TestCase("certificate", "key: {key.pem} holds no private key, only CERTIFICATE; name another")]
    [TestCase("binary", "key: {key.pem} is binary, expected a private key in PEM; convert it with openssl, or give a PKCS#12 file a name that ends in .pfx")]
    [TestCase("encrypted", "key: the private key in {key.pem} has a password, which nobody can type in here; take it off (openssl pkey -in {key.pem} -out NEW), or use a .pfx with \"passwordFile\"")]
    [TestCase("encrypted the old way", "key: the private key in {key.pem} has a password, which nobody can type in here; take it off (openssl pkey -in {key.pem} -out NEW), or use a .pfx with \"passwordFile\"")]
    [TestCase("nonsense", "key: the private key in {key.pem} is damaged, or of a kind that the host cannot use; RSA and ECDSA keys it can")]
    [TestCase("another", "key: the key in {key.pem} (ECDSA, 256 bits) does not belong to the certificate in {cert.pem}, www.example.org (ECDSA, 256 bits); one of the two may not have been replaced yet")]
    [TestCase("another kind", "key: the key in {key.pem} (RSA, 2048 bits) does not belong to the certificate in {cert.pem}, www.example.org (ECDSA, 256 bits); one of the two may not have been replaced yet")]
    [TestCase("of the authority", "key: the key in {key.pem} belongs to certificate 2 of {cert.pem}, Middle; put that one first, and those of its authorities after it")]
    public void A_key_that_does_not_fit_is_named(string trouble, string expected)
    {
        _files.WritePair(Good.Value, Middle.Value);
        switch (trouble)
        {
            case "missing":
                File.Delete(_files["key.pem"]);
                break;
            case "empty":
                _files.Write("key.pem", "\n");
                break;
            case "half":
                _files.Write("key.pem", Good.Value.KeyPem[..100]);
                break;
            case "certificate":
                _files.Write("key.pem", Good.Value.Pem);
                break;
            case "binary":
                _files.Write("key.pem", Good.Value.Key.ExportPkcs8PrivateKey());
                break;
            case "encrypted":
                _files.Write("key.pem", Good.Value.Key.ExportEncryptedPkcs8PrivateKeyPem("secret", new PbeParameters(PbeEncryptionAlgorithm.Aes256Cbc, HashAlgorithmName.SHA256, 1000)));
                break;
            case "encrypted the old way":
                _files.Write("key.pem", "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n");
                break;
            case "nonsense":
                _files.Write("key.pem", PemEncoding.WriteString("PRIVATE KEY", [0x30, 3, 2, 1, 1]));
                break;
            case "another":
                _files.Write("key.pem", TestCertificate.Make("other").KeyPem);
                break;
            case "another kind":
                _files.Write("key.pem", GoodRsa.Value.KeyPem);
                break;
            case "of the authority":
                _files.Write("key.pem", Middle.Value.KeyPem);
                break;
        }

        Assert.That(Errors("\"key\": \"key.pem\"").Select(error => error.ToString()), Is.EqualTo([Expected(expected)]));
    }

    [Test]
    public void A_key_that_stands_with_another_certificate_is_named_by_the_one_file()
    {
        _files.Write("cert.pem", Good.Value.Pem, Middle.Value.KeyPem);
        Assert.That(Errors("").Single().ToString(), Is.EqualTo(Expected("certificate: the key in {cert.pem} (ECDSA, 256 bits) does not belong to the certificate in {cert.pem}, www.example.org (ECDSA, 256 bits); one of the two may not have been replaced yet")));
    }

    [TestCase("wrong password", "passwordFile: the password in {password} is not that of {cert.pfx}; one of the two may not have been replaced yet")]
    [TestCase("no password", "certificate: {cert.pfx} has a password; write it into a file and name that as \"passwordFile\"")]
    [TestCase("no password file", "passwordFile: there is no file {password}; create it, or correct the name")]
    [TestCase("empty", "certificate: {cert.pfx} is empty; write it again")]
    [TestCase("half", "certificate: {cert.pfx} is no PKCS#12 file, is damaged or only half written (")]
    [TestCase("pem", "certificate: {cert.pfx} is no PKCS#12 file, is damaged or only half written (")]
    [TestCase("no key", "certificate: {cert.pfx} holds no private key; export it with its key")]
    [TestCase("two keys", "certificate: {cert.pfx} holds 2 certificates with a key, expected one; export only ")]
    public void A_pfx_that_cannot_be_used_is_named(string trouble, string expected)
    {
        _files.WritePkcs12("cert.pfx", "secret", Good.Value, Middle.Value);
        _files.Write("password", "secret\n");
        switch (trouble)
        {
            case "wrong password":
                _files.Write("password", "Secret\n");
                break;
            case "no password file":
                File.Delete(_files["password"]);
                break;
            case "empty":
                _files.Write("cert.pfx", "");
                break;
            case "half":
                _files.Write("cert.pfx", File.ReadAllBytes(_files["cert.pfx"])[..300]);
                break;
            case "pem":
                _files.Write("cert.pfx", Good.Value.Pem, Good.Value.KeyPem);
                break;
            case "no key":
                X509Certificate2Collection bare = [X509CertificateLoader.LoadCertificate(Good.Value.Certificate.RawData)];
                _files.Write("cert.pfx", bare.Export(X509ContentType.Pkcs12, "secret")!);
                break;
            case "two keys":
                X509Certificate2Collection two = [Good.Value.Certificate, GoodRsa.Value.Certificate];
                _files.Write("cert.pfx", two.Export(X509ContentType.Pkcs12, "secret")!);
                break;
        }

        var errors = Errors(trouble == "no password" ? "" : "\"passwordFile\": \"password\"", "cert.pfx");
        Assert.That(errors.Single().ToString(), Does.StartWith(Expected(expected)));
    }

    [Test]
    [UnsupportedOSPlatform("windows")]
    public void A_file_that_this_user_may_not_read_is_named()
    {
        Assume.That(Environment.UserName, Is.Not.EqualTo("root"), "root may read everything");
        _files.WritePair(Good.Value);
        File.SetUnixFileMode(_files["key.pem"], UnixFileMode.None);
        Assert.That(Errors("\"key\": \"key.pem\"").Single().ToString(), Is.EqualTo(Expected($"key: {{key.pem}} may not be read by this user ({Environment.UserName}); change its owner, group or mode")));
    }

    [Test]
    public void What_has_expired_or_is_not_valid_yet_is_an_error_and_what_expires_soon_a_warning()
    {
        _files.WritePair(TestCertificate.Make("old.example.org", from: -30, until: -1));
        Assert.That(Errors("\"key\": \"key.pem\"").Single().Message, Does.Match($"^the certificate of old.example.org in {_files["cert.pem"]} expired on {DateTime.UtcNow.AddDays(-1):yyyy-MM-dd} ..:..:..Z; renew it$"));
        _files.WritePair(TestCertificate.Make("new.example.org", from: 2, until: 30));
        Assert.That(Errors("\"key\": \"key.pem\"").Single().Message, Does.Match($"^the certificate of new.example.org in {_files["cert.pem"]} is not valid before {DateTime.UtcNow.AddDays(2):yyyy-MM-dd} ..:..:..Z; wait until then, or set this machine's clock$"));
        _files.WritePair(TestCertificate.Make("soon.example.org", from: -30, until: 13.9));
        Assert.That(Usable("\"key\": \"key.pem\"").Warnings.Single(), Does.Match($"^the certificate of soon.example.org in {_files["cert.pem"]} expires on {DateTime.UtcNow.AddDays(13.9):yyyy-MM-dd} ..:..:..Z; renew it$"));
        _files.WritePair(TestCertificate.Make("later.example.org", from: -30, until: 14.1));
        Assert.That(Usable("\"key\": \"key.pem\"").Warnings, Is.Empty);
    }

    [Test]
    public void A_key_or_signature_that_clients_refuse_is_an_error()
    {
        using var rsa = RSA.Create(1024);
        _files.WritePair(TestCertificate.Make("www.example.org", key: rsa));
        Assert.That(Errors("\"key\": \"key.pem\"").Single().ToString(), Is.EqualTo(Expected("certificate: the certificate of www.example.org in {cert.pem} has an RSA key of 1024 bits, which clients refuse; have one issued for a key of 2048 bits or more")));
        _files.WritePair(TestCertificate.Make("www.example.org", Root.Value, signer: new Sha1Signer()));
        Assert.That(Errors("\"key\": \"key.pem\"").Single().ToString(), Does.StartWith(Expected("certificate: no connection can be made with the certificate in {cert.pem}: ")).And.EndsWith("signed with SHA-256"));
        _files.WritePair(TestCertificate.Make("www.example.org", key: ECDsa.Create(ECCurve.CreateFromFriendlyName("secp224r1"))));
        Assert.That(Errors("\"key\": \"key.pem\"").Single().ToString(), Does.StartWith(Expected("certificate: no connection can be made with the certificate in {cert.pem}: ")));
    }

    [Test]
    public void A_chain_is_sent_in_order_and_what_is_no_part_of_it_is_a_warning()
    {
        var upper = TestCertificate.Authority("Upper", Root.Value);
        var lower = TestCertificate.Authority("Lower", upper);
        var old = TestCertificate.Authority("Old", Root.Value, until: -1);
        _files.WritePair(TestCertificate.Make("www.example.org", lower), upper, lower);
        Assert.That(Usable("\"key\": \"key.pem\"").Select(null).ServerCertificateContext!.IntermediateCertificates.Select(sent => sent.Subject), Is.EqualTo(["CN=Lower", "CN=Upper"]));
        _files.WritePair(TestCertificate.Make("www.example.org", lower), upper);
        Assert.That(Usable("\"key\": \"key.pem\"").Warnings, Is.EqualTo([$"the certificate Upper in {_files["cert.pem"]} is no part of the chain of www.example.org, and is not sent; is an intermediate between them missing?"]));
        _files.WritePair(TestCertificate.Make("www.example.org", old), old);
        Assert.That(Usable("\"key\": \"key.pem\"").Warnings.Single(), Does.StartWith($"the intermediate certificate Old in {_files["cert.pem"]} expired on "));
    }

    [TestCase("missing", "there is no file {ca.pem}; create it, or correct the name")]
    [TestCase("empty", "{ca.pem} is empty; write a certificate into it, in PEM")]
    [TestCase("key", "{ca.pem} holds no certificate, only PRIVATE KEY; name another")]
    [TestCase("intermediate", "{ca.pem} holds only intermediates, and no certificate of a client ends there; add the root, which is CN=Root")]
    public void Authorities_that_nobody_can_come_from_are_an_error(string trouble, string expected)
    {
        _files.WritePair(Good.Value);
        switch (trouble)
        {
            case "empty":
                _files.Write("ca.pem", "");
                break;
            case "key":
                _files.Write("ca.pem", Root.Value.KeyPem);
                break;
            case "intermediate":
                _files.Write("ca.pem", Middle.Value.Pem);
                break;
        }

        Assert.That(Errors("\"key\": \"key.pem\", \"clientCertificate\": \"require\", \"clientAuthorities\": \"ca.pem\"").Single().ToString(), Is.EqualTo(Expected($"clientAuthorities: {expected}")));
    }

    [Test]
    public void An_authority_that_has_expired_is_a_warning()
    {
        _files.WritePair(Good.Value);
        _files.Write("ca.pem", Root.Value.Pem, TestCertificate.Authority("Old", until: -1).Pem);
        Assert.That(Usable("\"key\": \"key.pem\", \"clientCertificate\": \"require\", \"clientAuthorities\": \"ca.pem\"").Warnings, Is.EqualTo([$"the authority CN=Old in {_files["ca.pem"]} has expired, and its clients are refused; remove or renew it"]));
    }

    [Test]
    public void Every_error_of_every_file_is_found_in_one_pass()
    {
        _files.Write("a.pem", Good.Value.Pem);
        var errors = Errors("\"key\": \"key.pem\", \"clientCertificate\": \"allow\", \"clientAuthorities\": \"ca.pem\", \"sni\": [ { \"host\": \"a.example\", \"certificate\": \"a.pem\" }, { \"host\": \"b.example\", \"certificate\": \"b.pfx\", \"passwordFile\": \"b\" } ]");
        Assert.That(errors.Select(error => error.Path["endpoints[0].tls.".Length..]), Is.EquivalentTo(["clientAuthorities", "certificate", "key", "sni[0].certificate", "sni[1].certificate", "sni[1].passwordFile"]));
        Assert.That(errors.Select(error => (error.Line, error.Column)), Is.Unique);
    }

    [Test]
    public void A_host_that_its_certificate_is_not_for_is_a_warning()
    {
        _files.WritePair(TestCertificate.Make("www.example.org", hosts: ["*.example.net", "xn--bcher-kva.example"]));
        var hosts = new[] { "www.example.org", "example.org", "*.example.org", "*.example.net", "a.example.net", "a.b.example.net", "bücher.example" };
        var sni = string.Join(", ", hosts.Select(host => $"{{ \"host\": \"{host}\", \"certificate\": \"cert.pem\", \"key\": \"key.pem\" }}"));
        var warnings = Usable($"\"key\": \"key.pem\", \"sni\": [ {sni} ]").Warnings;
        Assert.That(warnings, Is.EqualTo(new[] { "example.org", "*.example.org", "a.b.example.net" }.Select(host => $"the certificate in {_files["cert.pem"]} is not for {host}, only for www.example.org; clients that ask for {host} will refuse it")));
    }

    [Test]
    [UnsupportedOSPlatform("windows")]
    public void A_secret_that_everybody_can_read_is_a_warning([Values("key.pem", "cert.pem", "password", "link")] string secret)
    {
        _files.WritePair(Good.Value);
        _files.WritePkcs12("cert.pfx", "secret", Good.Value);
        _files.Write("password", "secret");
        var open = secret == "link" ? "key.pem" : secret;
        if (secret == "cert.pem")
        {
            _files.Write("cert.pem", Good.Value.Pem, Good.Value.KeyPem);
        }
        else if (secret == "link")
        {
            // The link itself is open to everybody, as all are.
            File.Move(_files["key.pem"], _files["real.pem"]);
            File.CreateSymbolicLink(_files["key.pem"], "real.pem");
        }

        TlsCredentials Load() => Usable(secret == "password" ? "\"passwordFile\": \"password\"" : secret == "cert.pem" ? "" : "\"key\": \"key.pem\"", secret == "password" ? "cert.pfx" : "cert.pem");
        Assert.That(Load().Warnings, Is.Empty);
        File.SetUnixFileMode(_files[secret == "link" ? "real.pem" : secret], UnixFileMode.UserRead | UnixFileMode.GroupRead);
        Assert.That(Load().Warnings, Is.Empty, "a group may be meant");
        File.SetUnixFileMode(_files[secret == "link" ? "real.pem" : secret], UnixFileMode.UserRead | UnixFileMode.OtherRead);
        Assert.That(Load().Warnings, Is.EqualTo([$"{_files[open]} can be read by every user of this machine; take that away (chmod o-r)"]));
    }

    [Test]
    public void What_was_renewed_is_told_and_what_was_not_is_used_again()
    {
        _files.WritePair(Good.Value);
        _files.Write("a.pem", TestCertificate.Make("a.example", Root.Value) is var a ? a.Pem : "", a.KeyPem);
        _files.Write("ca.pem", Root.Value.Pem);
        const string Section = "\"key\": \"key.pem\", \"clientCertificate\": \"allow\", \"clientAuthorities\": \"ca.pem\", \"sni\": [ { \"host\": \"a.example\", \"certificate\": \"a.pem\" } ]";
        var first = Usable(Section);
        var same = Load(Section, present: first).Credentials!;
        Assert.That(same.Changes(first), Is.Empty);
        Assert.That(same.Select("a.example").ServerCertificateContext, Is.SameAs(first.Select("a.example").ServerCertificateContext), "sessions go on");

        var b = TestCertificate.Make("a.example", Root.Value, until: 200);
        _files.Write("a.pem", b.Pem, b.KeyPem);
        var renewed = Load(Section, present: same).Credentials!;
        Assert.That(renewed.Changes(same), Is.EqualTo([$"certificate of a.example renewed, valid until {DateTime.UtcNow.AddDays(200):yyyy-MM-dd}"]));
        Assert.That(renewed.Select(null).ServerCertificateContext, Is.SameAs(first.Select(null).ServerCertificateContext));
        Assert.That(renewed.Select("a.example").ServerCertificateContext!.TargetCertificate.Thumbprint, Is.EqualTo(b.Certificate.Thumbprint));

        _files.WritePair(TestCertificate.Make("www.example.org", until: 20));
        _files.Write("ca.pem", Root.Value.Pem, TestCertificate.Authority("More").Pem);
        var both = Load(Section, present: renewed).Credentials!;
        Assert.That(both.Changes(renewed), Is.EqualTo([$"certificate of www.example.org renewed, valid until {DateTime.UtcNow.AddDays(20):yyyy-MM-dd}", "authorities of the clients' certificates changed"]));
        Assert.That(both.Select("a.example").ServerCertificateContext, Is.Not.SameAs(renewed.Select("a.example").ServerCertificateContext), "no session of the old authorities goes on");
        Assert.That(both.Describe(), Is.EqualTo($"www.example.org valid until {DateTime.UtcNow.AddDays(20):yyyy-MM-dd}; a.example valid until {DateTime.UtcNow.AddDays(200):yyyy-MM-dd}"));
    }

    /// <param name="text">The key, a colon and the message, with file names in braces.</param>
    private string Expected(string text) =>
        $"{_section!.File}:1:{_section.Column(text[..text.IndexOf(':', StringComparison.Ordinal)])}: endpoints[0].tls.{string.Concat(text.Split('{', '}').Select((part, index) => index % 2 == 1 ? _files[part] : part))}";

    private TlsLoad Load(string more, string certificate = "cert.pem", TlsCredentials? present = null)
    {
        _section = new TlsSection(_files.Folder, certificate, more);
        return _section.Load(present);
    }

    private TlsCredentials Usable(string more, string certificate = "cert.pem")
    {
        var load = Load(more, certificate);
        Assert.That(load.Errors, Is.Empty);
        return load.Credentials!;
    }

    private IReadOnlyList<ConfigError> Errors(string more, string certificate = "cert.pem")
    {
        var load = Load(more, certificate);
        Assert.That(load.Credentials, Is.Null);
        return load.Errors;
    }

    /// <summary>Signs as authorities did until 2016; the runtime's own signers no longer do.</summary>
    private sealed class Sha1Signer : X509SignatureGenerator
    {
        private readonly RSA _key = (RSA)TestCertificate.NewRsa;

        // AlgorithmIdentifier of sha1WithRSAEncryption, RFC 3279.
        public override byte[] GetSignatureAlgorithmIdentifier(HashAlgorithmName hashAlgorithm) => Convert.FromHexString("300D06092A864886F70D0101050500");

        public override byte[] SignData(byte[] data, HashAlgorithmName hashAlgorithm) => _key.SignData(data, HashAlgorithmName.SHA1, RSASignaturePadding.Pkcs1);

        protected override PublicKey BuildPublicKey() => new(_key);
    }
}
