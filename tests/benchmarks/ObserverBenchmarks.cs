using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using BenchmarkDotNet.Attributes;
using Microsoft.Extensions.Logging.Abstractions;
using PluginServer.Configuration;
using PluginServer.Diagnostics;
using PluginServer.Networking;
using PluginServer.Supervision;

namespace PluginServer.Benchmarks;

/// <summary>What it costs the whole host, with the sample Echo behind its one endpoint, that somebody listens to its metrics and activities, and that nobody does.</summary>
[MemoryDiagnoser]
[Config(typeof(InThisProcess))]
public class ObserverBenchmarks
{
    private readonly string _root = Directory.CreateTempSubdirectory("plugin-server-benchmark-").FullName;
    private readonly byte[] _bytes = new byte[64];
    private readonly List<IDisposable> _listeners = [];
    private Server _server = null!;
    private IPEndPoint _address = null!;
    private Socket _client = null!;

    /// <summary>Whether a listener takes every measurement and every activity.</summary>
    [Params(false, true)]
    public bool Observed { get; set; }

    /// <summary>Starts the host and connects the client that echoes.</summary>
    [GlobalSetup]
    public void Start()
    {
        if (Observed)
        {
            Listen();
        }

        var file = Path.Combine(_root, "plugins.json");
        File.WriteAllText(file, $$"""
            {
              "pluginDirectory": "{{Path.Combine(Repository.Root, "artifacts", "plugins")}}",
              "endpoints": [ { "name": "echo", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]
            }
            """);
        var config = ConfigReader.Read(file).Config ?? throw new InvalidOperationException("The configuration of the benchmark is not valid any more.");
        _server = Server.StartAsync(config, NullLoggerFactory.Instance, TimeProvider.System, Transports.Of(new EpollTransport(TimeProvider.System))).GetAwaiter().GetResult();
        _address = new IPEndPoint(IPAddress.Loopback, _server.Endpoints.Single().Port);
        _client = Connect();
        Echo();
    }

    /// <summary>Ends both.</summary>
    [GlobalCleanup]
    public void Stop()
    {
        _client.Dispose();
        _server.StopAsync("benchmark", new CancellationToken(canceled: true)).GetAwaiter().GetResult();
        _server.Dispose();
        _listeners.ForEach(static listener => listener.Dispose());
        Directory.Delete(_root, recursive: true);
    }

    /// <summary>64 B there and back.</summary>
    [Benchmark(Description = "echo 64 B")]
    public void Echo()
    {
        _client.Send(_bytes);
        Receive(_client);
    }

    /// <summary>A connection from its beginning to its end, with one echo; the client's socket is among what is allocated.</summary>
    [Benchmark(Description = "connection with one echo")]
    public void Churn()
    {
        using var client = Connect();
        client.Send(_bytes);
        Receive(client);
        client.Shutdown(SocketShutdown.Send);
        if (client.Receive(_bytes) != 0)
        {
            throw new InvalidOperationException("More came back than was sent.");
        }
    }

    private void Listen()
    {
        var metrics = new MeterListener { InstrumentPublished = static (instrument, listener) => Enable(instrument, listener) };
        metrics.SetMeasurementEventCallback<double>(static (_, _, _, _) => { });
        metrics.SetMeasurementEventCallback<long>(static (_, _, _, _) => { });
        metrics.Start();
        var activities = new ActivityListener
        {
            ShouldListenTo = static source => source.Name == Instruments.Name,
            Sample = static (ref _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(activities);
        _listeners.AddRange([metrics, activities]);
    }

    private static void Enable(Instrument instrument, MeterListener listener)
    {
        if (instrument.Meter.Name == Instruments.Name)
        {
            listener.EnableMeasurementEvents(instrument);
        }
    }

    private Socket Connect()
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        client.Connect(_address);
        return client;
    }

    private void Receive(Socket client)
    {
        for (var left = _bytes.Length; left > 0;)
        {
            var count = client.Receive(_bytes.AsSpan(0, left));
            left -= count > 0 ? count : throw new InvalidOperationException("The stream ended before all had come back.");
        }
    }
}
