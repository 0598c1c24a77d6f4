using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Metrics and activities reach a collector where the environment names one.</summary>
internal sealed class OtlpTests
{
    private readonly ConcurrentDictionary<string, string> _received = new();

    [Test]
    public async Task A_collector_gets_metrics_and_activities_by_the_standard_variables()
    {
        using var collector = Listen(out var port);
        var collecting = CollectAsync(collector);
        using var workspace = new Workspace().With("Echo").Configure("""[ { "name": "seen", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]""");
        string[] variables =
        [
            $"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{port}", "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_METRIC_EXPORT_INTERVAL=200",
            "OTEL_BSP_SCHEDULE_DELAY=200", "OTEL_SERVICE_NAME=the-name-of-the-service",
        ];
        using var host = HostProcess.Launch(workspace, ["env", .. variables]);
        await host.ServingAsync();
        using (var client = await host.ConnectAsync("seen"))
        {
            await client.SendAsync("hello");
            client.SendFin();
            Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("hello"));
        }

        await Deadline.UntilAsync(
            () => Got("/v1/metrics", "pluginserver.accepted_connections", "pluginserver.connection.duration", "seen", "the-name-of-the-service") && Got("/v1/traces", "pluginserver.connection", "seen", "the-name-of-the-service"),
            () => $"the collector got {string.Join(", ", _received.Keys)}; {host.Output}");
        host.Signal("TERM");
        Assert.That(await host.ExitAsync(), Is.Zero);
        collector.Stop();
        await collecting.Within();
    }

    [Test]
    public async Task A_collector_that_is_not_there_costs_the_host_nothing()
    {
        // Bound, so that nobody else is there either.
        using var nobody = new Socket(SocketType.Stream, ProtocolType.Tcp);
        nobody.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using var workspace = new Workspace().With("Echo").Configure("""[ { "name": "seen", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]""");
        using var host = HostProcess.Launch(workspace, ["env", $"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:{((IPEndPoint)nobody.LocalEndPoint!).Port}", "OTEL_METRIC_EXPORT_INTERVAL=100", "OTEL_EXPORTER_OTLP_TIMEOUT=200"]);
        await host.ServingAsync();
        for (var visit = 0; visit < 20; visit++)
        {
            using var client = await host.ConnectAsync("seen");
            await client.SendAsync("hello");
            client.SendFin();
            Assert.That(await client.ReadTextToEndAsync(), Is.EqualTo("hello"));
        }

        host.Signal("TERM");
        Assert.That(await host.ExitAsync(), Is.Zero);
    }

    private static HttpListener Listen(out int port)
    {
        while (true)
        {
            // It takes no port 0: one that was just free, and another if somebody was faster.
            using (var free = new Socket(SocketType.Stream, ProtocolType.Tcp))
            {
                free.Bind(new IPEndPoint(IPAddress.Loopback, 0));
                port = ((IPEndPoint)free.LocalEndPoint!).Port;
            }

            var listener = new HttpListener { Prefixes = { $"http://127.0.0.1:{port}/" } };
            try
            {
                listener.Start();
                return listener;
            }
            catch (HttpListenerException)
            {
                listener.Close();
            }
        }
    }

    private bool Got(string path, params string[] words) => _received.TryGetValue(path, out var text) && words.All(word => text.Contains(word, StringComparison.Ordinal));

    private async Task CollectAsync(HttpListener collector)
    {
        try
        {
            while (true)
            {
                var context = await collector.GetContextAsync();
                using var body = new MemoryStream();
                await context.Request.InputStream.CopyToAsync(body);

                // Texts of protobuf are as they are.
                var text = Encoding.Latin1.GetString(body.ToArray());
                _received.AddOrUpdate(context.Request.Url!.AbsolutePath, text, (_, before) => before + text);
                context.Response.ContentType = "application/x-protobuf";
                context.Response.Close();
            }
        }
        catch (Exception error) when (error is HttpListenerException or ObjectDisposedException)
        {
            // It was stopped.
        }
    }
}
