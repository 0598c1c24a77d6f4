using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;
using System.Net;

namespace PluginServer.Plugins;

/// <summary>A connection without a socket: the handler's end, and the client's end for whoever warms it up.</summary>
[SuppressMessage("Design", "CA1001", Justification = "A source without timer holds nothing to dispose.")]
internal sealed class MemoryConnection(string endpoint) : Connection, IDuplexPipe
{
    private static readonly IPEndPoint Nowhere = new(IPAddress.Loopback, 0);

    private readonly Pipe _toHandler = new();
    private readonly Pipe _toClient = new();
    private readonly CancellationTokenSource _closed = new();

    public override long Id => 0;

    public override string Endpoint => endpoint;

    public override EndPoint LocalEndPoint => Nowhere;

    public override EndPoint RemoteEndPoint => Nowhere;

    public override PipeReader Input => _toHandler.Reader;

    public override PipeWriter Output => _toClient.Writer;

    public override CancellationToken Closed => _closed.Token;

    PipeReader IDuplexPipe.Input => _toClient.Reader;

    PipeWriter IDuplexPipe.Output => _toHandler.Writer;

    public override void Abort(string reason)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(reason);
        var error = new ConnectionClosedException(reason);
        _toHandler.Writer.Complete(error);
        _toClient.Reader.Complete(error);
        _toClient.Writer.Complete(error);
        _ = _closed.CancelAsync();
    }

    /// <summary>As a client that closes: the handler reads to the end, and what it still writes goes nowhere.</summary>
    public void Hang()
    {
        _toHandler.Writer.Complete();
        _toClient.Reader.Complete();
    }

    /// <summary>The handler's end, after it has returned or failed.</summary>
    public void Finish()
    {
        _toHandler.Reader.Complete();
        _toClient.Writer.Complete();
        _ = _closed.CancelAsync();
    }
}
