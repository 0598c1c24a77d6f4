using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using PluginServer.Networking;

namespace PluginServer.Tests.Support;

/// <summary>Any transport, with the faults that a test plans; without a plan it does what the real one does.</summary>
/// <remarks>
/// <para>Accepting: <see cref="FailAccepts(SocketError, long)"/>, <see cref="FailAccepts(Func{Exception}, long)"/> and
/// <see cref="FailAcceptsWhen"/> fail tries before a client is taken, so who waits in the backlog stays there; an accept that is
/// under way is called back for it. <see cref="LoseNextAccepted"/> fails after one was taken, which is lost with it.
/// <see cref="AcceptDelay"/> holds accepted ones back.</para>
/// <para>Connections, from the next one on: <see cref="ReadAtMost"/>, <see cref="ReadDelay"/>, <see cref="SmallSendBuffer"/>
/// and <see cref="ResetAfter"/>; <see cref="ResetAll"/> resets those that are open.</para>
/// <para>Delays are of the time given, so a test with <see cref="ManualTime"/> decides when they end.</para>
/// </remarks>
internal sealed class FaultyTransport(Transport real, TimeProvider time) : Transport
{
    private readonly ConcurrentDictionary<FaultyConnection, byte> _open = new();
    private readonly Lock _gate = new();
    private CancellationTokenSource _planned = new();
    private Func<long, Exception?>? _plan;
    private Func<Exception>? _lost;
    private long _tries;
    private long _failed;

    public FaultyTransport()
        : this(DefaultTransport.Create(TimeProvider.System), TimeProvider.System)
    {
    }

    public override string Name => real.Name;

    /// <summary>How many accepts were tried since the plan was made.</summary>
    public long Tries => Interlocked.Read(ref _tries);

    /// <summary>How many of those failed as planned.</summary>
    public long Failed => Interlocked.Read(ref _failed);

    /// <summary>How long an accepted client is held back.</summary>
    public TimeSpan AcceptDelay { get; set; }

    /// <summary>How long each read waits first.</summary>
    public TimeSpan ReadDelay { get; set; }

    /// <summary>A read shows at most so many bytes that were not shown before; 0 is no limit.</summary>
    public int ReadAtMost { get; set; }

    /// <summary>Gives sockets the smallest send buffer that the kernel allows, so that sends are really short.</summary>
    public bool SmallSendBuffer { get; set; }

    /// <summary>Resets a connection when its handler has been shown so many bytes; 0 is never.</summary>
    public long ResetAfter { get; set; }

    /// <summary>Sees each socket before it is attached.</summary>
    public Action<Socket>? Attaching { get; set; }

    /// <summary>The next tries fail so, as often as said; without a number for ever.</summary>
    public void FailAccepts(SocketError error, long times = long.MaxValue) => FailAccepts(() => new SocketException((int)error), times);

    /// <summary>The next tries fail so, as often as said; without a number for ever.</summary>
    public void FailAccepts(Func<Exception> fault, long times = long.MaxValue) => FailAcceptsWhen(tried => tried < times ? fault() : null);

    /// <summary>Asked at each try from now on, with how many came before it: the exception, or null to let it be.</summary>
    public void FailAcceptsWhen(Func<long, Exception?>? plan)
    {
        CancellationTokenSource before;
        lock (_gate)
        {
            (_plan, _tries, _failed) = (plan, 0, 0);
            (before, _planned) = (_planned, new CancellationTokenSource());
        }

        before.Cancel();
    }

    /// <summary>Accepts on other ports than this are in order.</summary>
    public int? OnlyPort { get; set; }

    /// <summary>Accepting is in order again.</summary>
    public void StopFailing() => FailAcceptsWhen(null);

    /// <summary>The next client is accepted and lost, and the accept fails so.</summary>
    public void LoseNextAccepted(Func<Exception> fault) => Volatile.Write(ref _lost, fault);

    /// <summary>Resets every connection that is open, as a network does.</summary>
    public void ResetAll()
    {
        foreach (var connection in _open.Keys)
        {
            connection.Reset();
        }
    }

    public override async ValueTask<AcceptedSocket> AcceptAsync(Socket listening, CancellationToken cancellationToken)
    {
        while (true)
        {
            var planned = ThrowIfPlanned(listening);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, planned);
            try
            {
                return await TakeAsync(await real.AcceptAsync(listening, either.Token), cancellationToken);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // There is another plan, which this try has to follow.
            }
        }
    }

    public override AcceptedSocket? TryAccept(Socket listening)
    {
        ThrowIfPlanned(listening);
        return real.TryAccept(listening);
    }

    public override void Close(Socket listening) => real.Close(listening);

    public override void Dispose() => real.Dispose();

    public override TransportConnection Attach(AcceptedSocket socket, ConnectionLimits limits)
    {
        if (SmallSendBuffer)
        {
            // socket(7): the kernel raises it to its minimum.
            socket.SetOption(SocketOptionLevel.Socket, SocketOptionName.SendBuffer, 1);
        }

        if (Attaching is { } attaching)
        {
            var seen = socket.TakeSocket();
            attaching(seen);
            socket = new SocketAccepted(seen);
        }

        var connection = new FaultyConnection(real.Attach(socket, limits), time, ReadAtMost, ReadDelay, ResetAfter);
        connection.Finished += () => _open.TryRemove(connection, out _);
        _open[connection] = 0;
        return connection;
    }

    private CancellationToken ThrowIfPlanned(Socket listening)
    {
        lock (_gate)
        {
            if (OnlyPort is { } port && ((IPEndPoint)listening.LocalEndPoint!).Port != port)
            {
                return _planned.Token;
            }

            if (_plan?.Invoke(_tries++) is { } fault)
            {
                _failed++;
                throw fault;
            }

            return _planned.Token;
        }
    }

    private async ValueTask<AcceptedSocket> TakeAsync(AcceptedSocket socket, CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _lost, null) is { } lost)
        {
            socket.Dispose();
            throw lost();
        }

        if (AcceptDelay > TimeSpan.Zero)
        {
            // Cancelled or not, whoever accepts owns it now.
            await Task.Delay(AcceptDelay, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return socket;
    }
}
