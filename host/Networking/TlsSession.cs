using System.Buffers;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace PluginServer.Networking;

/// <summary>The keys of one encrypted connection, and what they do. Nothing of it waits once the handshake is over.</summary>
/// <remarks>One may decrypt while another encrypts: SslStream sees to that, but not to a shutdown.</remarks>
internal sealed class TlsSession : IDisposable
{
    /// <summary>What <see cref="Decrypt"/> returns for the peer's close_notify.</summary>
    public const int Closed = -1;
    private readonly Lock _decrypting = new();
    private readonly TlsStream _stream;
    private readonly SslStream _ssl;

    private TlsSession(TlsStream stream, SslStream ssl)
    {
        _stream = stream;
        _ssl = ssl;
        Tls = new ConnectionTls
        {
            Protocol = ssl.SslProtocol,
            CipherSuite = ssl.NegotiatedCipherSuite,
            ApplicationProtocol = ssl.NegotiatedApplicationProtocol is { Protocol.IsEmpty: false } chosen ? chosen.ToString() : null,
            ServerName = ssl.TargetHostName is { Length: > 0 } name ? name : null,
            ClientCertificate = ssl.RemoteCertificate as X509Certificate2,
        };
    }

    public ConnectionTls Tls { get; }

    /// <summary>The server's side of a handshake.</summary>
    /// <exception cref="AuthenticationException">The peer does not speak TLS, or no agreement with it was possible.</exception>
    /// <exception cref="IOException">The connection has ended.</exception>
    /// <exception cref="OperationCanceledException">The deadline came first.</exception>
    public static async Task<TlsSession> AuthenticateAsync(TransportConnection inner, ServerOptionsSelectionCallback options, CancellationToken deadline)
    {
        var stream = new TlsStream(inner);
        var ssl = new SslStream(stream, leaveInnerStreamOpen: true);
        try
        {
            await ssl.AuthenticateAsServerAsync(options, null, deadline).ConfigureAwait(false);
            stream.Authenticated();
            return new TlsSession(stream, ssl);
        }
        catch (Exception error)
        {
            await ssl.DisposeAsync().ConfigureAwait(false);
            if (error is AuthenticationException { InnerException: null } or IOException or OperationCanceledException)
            {
                throw;
            }

            throw new AuthenticationException("The TLS handshake failed: " + error.GetBaseException().Message, error);
        }
    }

    /// <summary>Decrypts one whole record into a target that has room for all of it.</summary>
    /// <returns>How many bytes; 0 when the record was not for the handler, <see cref="Closed"/> when it was the last one.</returns>
    /// <exception cref="IOException">It cannot be decrypted, or says that the peer has failed.</exception>
    public int Decrypt(in ReadOnlySequence<byte> record, Memory<byte> target)
    {
        lock (_decrypting)
        {
            _stream.Offer(record);
            try
            {
                var count = Completed(_ssl.ReadAsync(target));
                return count == 0 ? Closed : count;
            }
            catch (TlsStream.NothingInside)
            {
                return 0;
            }
        }
    }

    /// <summary>Encrypts and posts. False when a flush would wait now.</summary>
    /// <exception cref="IOException">The connection has ended, or the source cannot be had.</exception>
    public bool Encrypt(ReadOnlyMemory<byte> source)
    {
        Completed(_ssl.WriteAsync(source));
        return _stream.HasRoom;
    }

    /// <summary>Posts close_notify. Nothing may be encrypted after it.</summary>
    /// <exception cref="IOException">The connection has ended.</exception>
    public void Close()
    {
        lock (_decrypting)
        {
            _ssl.ShutdownAsync().GetAwaiter().GetResult();
        }
    }

    public void Dispose()
    {
        _ssl.Dispose();
        Tls.ClientCertificate?.Dispose();
    }

    // A call that waits would be one more than this class knows of; it must not take a thread for that.
    private static int Completed(ValueTask<int> read) => read.IsCompleted ? read.GetAwaiter().GetResult() : throw Waits();

    private static void Completed(ValueTask write)
    {
        if (!write.IsCompleted)
        {
            throw Waits();
        }

        write.GetAwaiter().GetResult();
    }

    private static InvalidOperationException Waits() => new("SslStream waits, although it has all that it can wait for.");
}
