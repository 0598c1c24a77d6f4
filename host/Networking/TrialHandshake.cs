using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PluginServer.Networking;

/// <summary>A handshake of the host with itself, in memory: what the system's OpenSSL thinks of a certificate shows nowhere else before the first client.</summary>
internal static class TrialHandshake
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(10);

    /// <summary>Why no connection can be made; null where one can.</summary>
    public static string? Fault(SslStreamCertificateContext context) => FaultAsync(context).GetAwaiter().GetResult();

    private static async Task<string?> FaultAsync(SslStreamCertificateContext context)
    {
        var (request, response) = (new Pipe(), new Pipe());
        await using var server = new SslStream(new PipePair(request.Reader, response.Writer));
        await using var client = new SslStream(new PipePair(response.Reader, request.Writer), leaveInnerStreamOpen: false, (_, shown, _, _) => context.TargetCertificate.Equals(shown));
        using var deadline = new CancellationTokenSource(Longest);
        var greeting = client.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { AllowTlsResume = false, CertificateChainPolicy = new X509ChainPolicy { RevocationMode = X509RevocationMode.NoCheck, DisableCertificateDownloads = true } }, deadline.Token);
        string? fault = null;
        try
        {
            await server.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificateContext = context, AllowTlsResume = false }, deadline.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (error is AuthenticationException or IOException or CryptographicException or OperationCanceledException)
        {
            fault = Innermost(error).Message;
            await deadline.CancelAsync().ConfigureAwait(false);
        }

        await greeting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return fault;
    }

    private static Exception Innermost(Exception error)
    {
        while (error.InnerException is { } inner)
        {
            error = inner;
        }

        return error;
    }

    /// <summary>What comes from one pipe and goes into the other.</summary>
    private sealed class PipePair(PipeReader from, PipeWriter to) : Stream
    {
        private readonly Stream _input = from.AsStream();
        private readonly Stream _output = to.AsStream();

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => _output.Flush();

        public override Task FlushAsync(CancellationToken cancellationToken) => _output.FlushAsync(cancellationToken);

        public override int Read(byte[] buffer, int offset, int count) => _input.Read(buffer, offset, count);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => _input.ReadAsync(buffer, cancellationToken);

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => _input.ReadAsync(buffer, offset, count, cancellationToken);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => _output.Write(buffer, offset, count);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => _output.WriteAsync(buffer, cancellationToken);

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => _output.WriteAsync(buffer, offset, count, cancellationToken);

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _input.Dispose();
                _output.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
