using Microsoft.Extensions.Logging.Abstractions;
using PluginServer.Diagnostics;
using PluginServer.Networking;

namespace PluginServer.Tests.Support;

/// <summary>Acceptors beside the one that an endpoint has by itself.</summary>
internal sealed class MoreAcceptors : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;

    public MoreAcceptors(TestServer server, int count, string endpoint = "test") =>
        _running = Task.WhenAll(Enumerable.Range(0, count).Select(_ => Task.Run(() =>
            new Acceptor(server.Endpoint(endpoint), server.Server.Places, TimeProvider.System, NullLogger.Instance, new StormLog(NullLogger.Instance, TimeProvider.System)).RunAsync(_stop.Token, _stop.Token))));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.Within();
        _stop.Dispose();
    }
}
