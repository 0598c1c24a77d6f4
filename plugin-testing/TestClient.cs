using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Security;
using System.Text;
using NUnit.Framework;

namespace PluginServer.Testing;

/// <summary>A client of a <see cref="PluginHost"/>. Every wait has a deadline of 30 s of real time, and fails with what was received so far.</summary>
/// <remarks>It receives all the time, so that a handler's answers never wait for the test, unless <see cref="PauseReading"/> says otherwise. Sending and
/// receiving are for one caller each at a time.</remarks>
[SuppressMessage("Design", "CA1001", Justification = "DisposeAsync disposes them.")]
public sealed class TestClient : IAsyncDisposable
{
    private readonly Stream _stream;
    private readonly TurnStream? _turns;
    private readonly Action _shutDown;
    private readonly Action _reset;
    private readonly Received _received = new();
    private readonly Task _receiving;

    private TestClient(Stream stream, TurnStream? turns, EndPoint localEndPoint, Action shutDown, Action reset)
    {
        _stream = stream;
        _turns = turns;
        _shutDown = shutDown;
        _reset = reset;
        LocalEndPoint = localEndPoint;
        _receiving = ReceiveAsync();
    }

    /// <summary>Where it comes from: the handler's <see cref="Connection.RemoteEndPoint"/>, unless a PROXY header names another.</summary>
    public EndPoint LocalEndPoint { get; }

    /// <summary>Sends text in UTF-8.</summary>
    /// <param name="text">With its line ends.</param>
    /// <exception cref="IOException">The connection has ended.</exception>
    public Task SendAsync(string text) => SendAsync(Encoding.UTF8.GetBytes(text));

    /// <summary>Sends bytes; ends when they are on their way, which may have to wait for the handler to read.</summary>
    /// <param name="bytes">All of them.</param>
    /// <exception cref="IOException">The connection has ended.</exception>
    public Task SendAsync(ReadOnlyMemory<byte> bytes) =>
        _stream.WriteAsync(bytes).AsTask().WithinAsync(() => $"the host has not taken all of {bytes.Length} bytes; {_received.Describe()}");

    /// <summary>Sends FIN; over TLS, close_notify before it. Receiving goes on.</summary>
    /// <exception cref="IOException">The connection has ended.</exception>
    public async Task SendFinAsync()
    {
        if (_stream is SslStream session)
        {
            await _turns!.DoAsync(session.ShutdownAsync).WithinAsync(() => $"the host does not take the end of the session; {_received.Describe()}");
        }

        _shutDown();
    }

    /// <summary>Ends the connection by a reset.</summary>
    public void Reset() => _reset();

    /// <summary>The next line, without its end; in UTF-8.</summary>
    /// <exception cref="AssertionException">The connection has ended, or nothing came.</exception>
    public async Task<string> ReadLineAsync()
    {
        await _received.UntilAsync(static received => received.HasLine, "a line");
        return Encoding.UTF8.GetString(_received.TakeLine()).TrimEnd('\n').TrimEnd('\r');
    }

    /// <summary>So many bytes.</summary>
    /// <param name="count">How many.</param>
    /// <exception cref="AssertionException">The connection has ended, or less came.</exception>
    public async Task<byte[]> ReadAsync(int count)
    {
        await _received.UntilAsync(received => received.Count >= count, $"{count} bytes");
        return _received.Take(count);
    }

    /// <summary>All that comes until the host's FIN.</summary>
    /// <exception cref="AssertionException">The connection has ended by a reset, or not at all.</exception>
    public async Task<byte[]> ReadToEndAsync()
    {
        await _received.UntilAsync(static received => received.End == ClientEnd.Fin, "FIN");
        return _received.Take(_received.Count);
    }

    /// <summary>Waits for the end of what the host sends, and says how it came. What has come before can still be read.</summary>
    /// <exception cref="AssertionException">It has not ended.</exception>
    public async Task<ClientEnd> EndAsync()
    {
        await _received.UntilAsync(static received => received.End is not null, "FIN or a reset");
        return _received.End!.Value;
    }

    /// <summary>Receives no more, as a slow reader: what is on its way fills the buffers, and then the handler's flushes wait.</summary>
    public void PauseReading() => _received.Pause();

    /// <summary>Receives again.</summary>
    public void ResumeReading() => _received.Resume();

    /// <summary>Closes the connection, in order where nothing was left unread.</summary>
    public async ValueTask DisposeAsync()
    {
        _received.Resume();
        await _stream.DisposeAsync();
        await _receiving;
    }

    /// <summary>Over what is connected; speaks TLS where it is told how.</summary>
    internal static async Task<TestClient> OpenAsync(Stream stream, EndPoint localEndPoint, (Action ShutDown, Action Reset) ends, ReadOnlyMemory<byte> prelude, SslClientAuthenticationOptions? tls, CancellationToken cancellationToken)
    {
        var (top, turns) = (stream, (TurnStream?)null);
        try
        {
            if (!prelude.IsEmpty)
            {
                await stream.WriteAsync(prelude, cancellationToken).AsTask().WithinAsync(() => "the host has not taken the PROXY header", cancellationToken);
            }

            if (tls is not null)
            {
                turns = new TurnStream(stream);
                var session = new SslStream(turns);
                top = session;
                await session.AuthenticateAsClientAsync(tls, cancellationToken).WithinAsync(() => "the TLS handshake has not ended", cancellationToken);
            }

            (stream as PacedStream)?.WaitFromNowOn();
            return new TestClient(top, turns, localEndPoint, ends.ShutDown, ends.Reset);
        }
        catch
        {
            await top.DisposeAsync();
            throw;
        }
    }

    private async Task ReceiveAsync()
    {
        var buffer = new byte[16 * 1024];
        try
        {
            while (true)
            {
                await _received.WhenWanted();
                var count = _turns is null ? await _stream.ReadAsync(buffer) : await _turns.ReadAsync(_stream, buffer);
                if (count == 0)
                {
                    _received.Finish(ClientEnd.Fin);
                    return;
                }

                _received.Add(buffer.AsSpan(0, count));
            }
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException)
        {
            _received.Finish(ClientEnd.Reset);
        }
    }
}
