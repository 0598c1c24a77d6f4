using System.IO.Pipelines;
using System.Net;
using System.Text;

namespace PluginServer.Plugins.Echo.Tests;

/// <summary>The handler alone, over two pipes: a plugin's logic needs neither host nor socket to be tested.</summary>
internal sealed class EchoHandlerTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly PipeConnection _connection = new();

    [Test]
    public async Task What_comes_in_goes_out_and_fin_ends_it()
    {
        var handling = new EchoHandler().HandleAsync(_connection, CancellationToken.None);
        await _connection.Peer.Writer.WriteAsync(Encoding.UTF8.GetBytes("hello"));
        Assert.That(await ReadAsync(), Is.EqualTo("hello"));
        await _connection.Peer.Writer.WriteAsync(Encoding.UTF8.GetBytes("again"));
        Assert.That(await ReadAsync(), Is.EqualTo("again"));
        await _connection.Peer.Writer.CompleteAsync();
        await handling.WaitAsync(Deadline);
    }

    [Test]
    public async Task It_finishes_when_it_is_asked_to_drain()
    {
        using var draining = new CancellationTokenSource();
        var handling = new EchoHandler().HandleAsync(_connection, draining.Token);
        await draining.CancelAsync();
        Assert.That(async () => await handling.WaitAsync(Deadline), Throws.InstanceOf<OperationCanceledException>());
    }

    private async Task<string> ReadAsync()
    {
        var result = await _connection.Sent.Reader.ReadAsync().AsTask().WaitAsync(Deadline);
        var text = Encoding.UTF8.GetString(result.Buffer);
        _connection.Sent.Reader.AdvanceTo(result.Buffer.End);
        return text;
    }

    private sealed class PipeConnection : Connection
    {
        public Pipe Peer { get; } = new();

        public Pipe Sent { get; } = new();

        public override long Id => 1;

        public override string Endpoint => "test";

        public override EndPoint LocalEndPoint { get; } = new IPEndPoint(IPAddress.Loopback, 1);

        public override EndPoint RemoteEndPoint { get; } = new IPEndPoint(IPAddress.Loopback, 2);

        public override PipeReader Input => Peer.Reader;

        public override PipeWriter Output => Sent.Writer;

        public override CancellationToken Closed => CancellationToken.None;

        public override void Abort(string reason) => Peer.Writer.Complete(new ConnectionClosedException(reason));
    }
}
