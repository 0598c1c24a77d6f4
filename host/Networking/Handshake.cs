using System.Net.Security;
using PluginServer.Configuration;
using PluginServer.Diagnostics;

namespace PluginServer.Networking;

/// <summary>A client between its accept and its handler, where more than a socket is needed: what a proxy says of it, then TLS, all within one deadline.</summary>
/// <remarks>It holds its places, so no limit is exceeded however many of them there are; but it is no connection yet: nobody counts or drains it. It runs where the
/// transport handles events, and no acceptor waits for it.</remarks>
internal sealed class Handshake : IConnectionOwner
{
    private const int Ready = 1;
    private const int Expired = 2;

    /// <summary>What a client may send before it is ready.</summary>
    private static readonly ConnectionLimits Limits = new() { ReadLimit = 64 * 1024 };

    private readonly Lock _gate = new();
    private readonly Endpoint _endpoint;
    private readonly EndpointConfig _config;
    private TransportConnection _transport;
    private readonly TlsCredentials? _credentials;
    private readonly TimeProvider _time;
    private readonly long _acceptedAt;
    private ITimer? _clock;
    private TimeSpan _timeout;
    private TimeSpan _due;

    /// <summary>Whether the deadline or the client came first; neither has at 0.</summary>
    private int _outcome;
    private bool _knowsTls13;

    public Handshake(Endpoint endpoint, EndpointConfig config, TlsCredentials? credentials, AcceptedSocket socket, ConnectionAddress local, TimeProvider time)
    {
        _endpoint = endpoint;
        _config = config;
        _credentials = credentials;
        _time = time;
        (Local, Remote) = (local, socket.Remote);
        _acceptedAt = time.GetTimestamp();
        _transport = endpoint.Transport.Attach(socket, Limits);
    }

    /// <summary>Where the client has connected to, as far as is known by now.</summary>
    public ConnectionAddress Local { get; private set; }

    /// <summary>The client's address, as far as is known by now.</summary>
    public ConnectionAddress Remote { get; private set; }

    /// <summary>As a timestamp of the host's time.</summary>
    public long AcceptedAt => _acceptedAt;

    /// <summary>Its share of what its address may have.</summary>
    public AddressHold Hold { get; private set; }

    public void Begin()
    {
        Retime(_config.HandshakeTimeout);
        _transport.Start(this);
    }

    /// <summary>Sets the deadline: from the accept at first, a shortened one from now on, and a longer one as if it had been so before.</summary>
    public void Retime(TimeSpan timeout)
    {
        lock (_gate)
        {
            var age = _time.GetElapsedTime(_acceptedAt);
            var shortened = age + timeout;
            _due = _clock is null ? timeout
                : timeout > _timeout ? _due + (timeout - _timeout)
                : shortened < _due ? shortened : _due;
            _timeout = timeout;
            _clock ??= _time.CreateTimer(static state => ((Handshake)state!).Expire(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _clock.Change(_due > age ? _due - age : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }
    }

    public void Cut() => _transport.Abort(CloseCause.Cut, "the host cut it before it was ready");

    void IConnectionOwner.Run() => _ = RunAsync();

    private void Expire()
    {
        if (TryDecide(Expired))
        {
            _transport.Abort(CloseCause.TimedOut, "not ready within handshakeTimeout");
        }
    }

    private bool TryDecide(int outcome) => Interlocked.CompareExchange(ref _outcome, outcome, 0) == 0;

    private async Task RunAsync()
    {
        if (await TryAsync().ConfigureAwait(false) is { } rejection)
        {
            await LeaveAsync(rejection).ConfigureAwait(false);
        }
    }

    /// <summary>To the handler, or why not.</summary>
    private async ValueTask<Rejection?> TryAsync()
    {
        try
        {
            var address = Remote.Number;
            if (_config.ProxyProtocol != ProxyKind.Off)
            {
                var (header, broken) = await ProxyPreamble.ReadAsync(_transport.Input, _config, address).ConfigureAwait(false);
                if (broken is not null)
                {
                    return broken;
                }

                address = Believe(header, address);
            }

            if (_endpoint.Access.TryEnter(address, out var hold) is { } refused)
            {
                return new Rejection(refused);
            }

            Hold = hold;
            if (_credentials is not null)
            {
                _knowsTls13 = await KnowsTls13Async().ConfigureAwait(false);
                _transport = await TlsConnection.AuthenticateAsync(_transport, Select, Limits, CancellationToken.None).ConfigureAwait(false);
            }

            if (!TryDecide(Ready))
            {
                return new Rejection(RejectReason.HandshakeTimeout);
            }

            StopClock();
            return _endpoint.Enter(this, _transport);
        }
        catch (Exception error)
        {
            // Whatever it is: it costs this client only, and its places come back.
            return _transport.End.Cause switch
            {
                CloseCause.TimedOut => new Rejection(RejectReason.HandshakeTimeout),
                CloseCause.Cut => new Rejection(RejectReason.Cut),
                CloseCause.Reset => new Rejection(RejectReason.Left),
                _ when _transport.BytesReceived == 0 => new Rejection(RejectReason.Left),
                _ => new Rejection(_credentials is null ? RejectReason.ProxyHeader : RejectReason.Tls, FaultText.MessageOf(error.GetBaseException())),
            };
        }
    }

    private ValueTask<SslServerAuthenticationOptions> Select(SslStream stream, SslClientHelloInfo hello, object? state, CancellationToken cancellationToken) =>
        ValueTask.FromResult(_credentials!.Select(hello.ServerName, _knowsTls13));

    /// <summary>Looks at the client's first message, and leaves it for TLS.</summary>
    private async ValueTask<bool> KnowsTls13Async()
    {
        while (true)
        {
            var read = await _transport.Input.ReadAsync(CancellationToken.None).ConfigureAwait(false);
            var known = ClientHello.KnowsTls13(read.Buffer);
            var isOver = known is not null || read.IsCompleted;
            _transport.Input.AdvanceTo(read.Buffer.Start, isOver ? read.Buffer.Start : read.Buffer.End);
            if (isOver)
            {
                return known == true;
            }
        }
    }

    /// <summary>Takes the client's addresses from the header, where it has some; says which address has limits: none, where a proxy speaks for itself.</summary>
    private UInt128? Believe(ProxyHeader? header, UInt128? own)
    {
        if (header is not { } said)
        {
            return own;
        }

        if (said is { Command: ProxyCommand.Local } or { Family: ProxyFamily.Unspecified })
        {
            return null;
        }

        // A Unix socket without a path is somebody, but of no address.
        Remote = new ConnectionAddress(said.Source);
        Local = new ConnectionAddress(said.Destination);
        return Remote.Number;
    }

    private void StopClock()
    {
        lock (_gate)
        {
            _clock?.Dispose();
        }
    }

    private async Task LeaveAsync(Rejection rejection)
    {
        // What TLS has to say to a client about its failure is on its way, and a reset would overtake it.
        if (rejection.Reason != RejectReason.Tls)
        {
            _transport.Abort(CloseCause.Cut, RejectReasons.Explain(rejection.Reason));
        }

        // Nor does the deadline end with the failure: a client that reads nothing would never have been told.
        await _transport.FinishAsync().ConfigureAwait(false);
        StopClock();
        _endpoint.Access.Leave(Remote.Number, Hold);
        _endpoint.Reject(Remote, rejection);
        _endpoint.Release();
        _endpoint.Handshakes.Remove(this);
    }
}
