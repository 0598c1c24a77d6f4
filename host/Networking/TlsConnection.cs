using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Authentication;
using PluginServer.Diagnostics;

namespace PluginServer.Networking;

/// <summary>A connection of any transport, encrypted: two pipes over those of the inner one.</summary>
/// <remarks>It never waits itself. A read or flush that waits is one of the inner connection, so resuming, cancelling and ending it
/// follow the same rules, on the same threads.</remarks>
internal sealed class TlsConnection : TransportConnection
{
    /// <summary>The inner input holds no more than one record that is not whole, and lets the handler's limit count what is decrypted.</summary>
    private static readonly ConnectionLimits Unlimited = new() { ReadLimit = int.MaxValue };
    private readonly TransportConnection _inner;
    private readonly TlsSession _session;
    private readonly TlsInput _input;
    private readonly TlsOutput _output;
    private ConnectionLimits _limits;

    private TlsConnection(TransportConnection inner, TlsSession session, ConnectionLimits limits)
    {
        _inner = inner;
        _session = session;
        _limits = limits;
        _input = new TlsInput(this, inner, session, new ReceivedBytes(inner.Blocks));
        _output = new TlsOutput(this, inner, session, new SendQueue(inner.Blocks));
    }

    public override PipeReader Input => _input;

    public override PipeWriter Output => _output;

    public override ConnectionTls Tls => _session.Tls;

    /// <summary>Of decrypted bytes.</summary>
    public override ConnectionLimits Limits
    {
        get => Volatile.Read(ref _limits);
        set => Volatile.Write(ref _limits, value);
    }

    public override BlockPool Blocks => _inner.Blocks;

    public override CancellationToken Closed => _inner.Closed;

    public override IConnectionOwner? Owner => _inner.Owner;

    public override (CloseCause Cause, string? Reason) End => _inner.End;

    /// <summary>Encrypted, the handshake among them.</summary>
    public override long BytesReceived => _inner.BytesReceived;

    /// <summary>Encrypted, the handshake among them.</summary>
    public override long BytesSent => _inner.BytesSent;

    public override WireInfo Wire => _inner.Wire;

    /// <summary>Does the server's side of the handshake on a connection that nobody else reads or writes. Whoever called ends the inner
    /// one when it fails; what SslStream has to say to the peer about it is posted.</summary>
    /// <exception cref="AuthenticationException">The peer does not speak TLS, or no agreement with it was possible.</exception>
    /// <exception cref="IOException">The connection has ended.</exception>
    /// <exception cref="OperationCanceledException">The deadline came first.</exception>
    public static async Task<TlsConnection> AuthenticateAsync(TransportConnection inner, ServerOptionsSelectionCallback options, ConnectionLimits limits, CancellationToken deadline)
    {
        inner.Limits = Unlimited;
        return new TlsConnection(inner, await TlsSession.AuthenticateAsync(inner, options, deadline).ConfigureAwait(false), limits);
    }

    public override void Start(IConnectionOwner owner)
    {
        if (_inner.Owner is null)
        {
            _inner.Start(owner);
        }
        else
        {
            _inner.Pass(owner, Unlimited);
        }
    }

    public override void Pass(IConnectionOwner next, ConnectionLimits limits)
    {
        Limits = limits;
        _inner.Pass(next, Unlimited);
    }

    public override bool Post(ReadOnlySpan<byte> bytes) => throw new NotSupportedException("Nothing lies between a handler and its encryption.");

    public override long Unsent => _inner.Unsent;

    public override bool Deliver(ReadOnlyMemory<byte> message, int limit) => _output.Deliver(message, limit);

    public override void Drained() => _inner.Drained();

    public override void Abort(CloseCause cause, string reason) => _inner.Abort(cause, reason);

    public override async Task FinishAsync()
    {
        _input.Leave();
        _output.Leave();
        await _inner.FinishAsync().ConfigureAwait(false);
        _input.Release();
        _output.Release();
        _session.Dispose();
    }

    /// <summary>What whoever reads or writes after the end is told.</summary>
    public ConnectionClosedException Ended() => new Ending(End.Cause, End.Reason).ToException();

    /// <summary>One side cannot go on: ends the connection, unless it has ended already and that is why.</summary>
    /// <returns>What to tell the caller of a read or flush.</returns>
    public ConnectionClosedException Lost(string what, Exception error)
    {
        Abort(CloseCause.Reset, $"{what}: {FaultText.MessageOf(error.GetBaseException()).TrimEnd('.')}.");
        return Ended();
    }
}
