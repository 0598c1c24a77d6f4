using System.Net;
using System.Net.Sockets;
using BenchmarkDotNet.Attributes;
using PluginServer.Networking;

namespace PluginServer.Benchmarks;

/// <summary>What a connection costs on its hot paths over loopback TCP, the client's system calls included; the client allocates nothing.</summary>
[MemoryDiagnoser]
[Config(typeof(InThisProcess))]
public class ConnectionBenchmarks
{
    private const int Large = 16 * 1024;
    private readonly CancellationTokenSource _over = new();
    private readonly byte[] _bytes = new byte[Large];
    private readonly byte[] _received = new byte[Large];
    private Transport _transport = null!;
    private Socket _listening = null!;
    private TransportConnection _bare = null!;
    private Socket _bareClient = null!;
    private Socket _echoClient = null!;
    private Task _accepting = Task.CompletedTask;

    /// <summary>As in plugins.json.</summary>
    [Params("epoll", "sockets")]
    public string Through { get; set; } = "";

    /// <summary>Opens what all benchmarks use.</summary>
    [GlobalSetup]
    public void Open()
    {
        _transport = Through == "epoll" ? new EpollTransport(TimeProvider.System) : new SocketTransport(TimeProvider.System);
        _listening = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, Blocking = false };
        _listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listening.Listen(128);
        (_bareClient, _bare) = Connect();
        (_echoClient, var echo) = Connect();
        echo.Start(new Handler(echo, EchoAsync));
        _accepting = AcceptAsync();
    }

    /// <summary>Closes it again.</summary>
    [GlobalCleanup]
    public void Close()
    {
        _echoClient.Dispose();
        _bareClient.Dispose();
        _bare.FinishAsync().GetAwaiter().GetResult();
        _over.Cancel();
        _accepting.GetAwaiter().GetResult();
        _transport.Close(_listening);
    }

    /// <summary>64 B there and back, through a handler that waits for them.</summary>
    [Benchmark(Description = "echo 64 B")]
    public void EchoSmall() => Echo(64);

    /// <summary>16 KiB there and back.</summary>
    [Benchmark(Description = "echo 16 KiB")]
    public void EchoLarge() => Echo(Large);

    /// <summary>One read of what has arrived.</summary>
    [Benchmark(Description = "read 64 B")]
    public void Read()
    {
        _bareClient.Send(_bytes.AsSpan(0, 64));
        for (var left = 64L; left > 0;)
        {
            if (_bare.Input.TryRead(out var result))
            {
                left -= result.Buffer.Length;
                _bare.Input.AdvanceTo(result.Buffer.End);
            }
        }
    }

    /// <summary>One write that the kernel takes at once; now and then it waits all the same, when it has used up its turn.</summary>
    [Benchmark(Description = "write 64 B")]
    public void Write()
    {
        var sent = _bare.Output.WriteAsync(_bytes.AsMemory(0, 64));
        if (!sent.IsCompletedSuccessfully)
        {
            sent.AsTask().GetAwaiter().GetResult();
        }

        Receive(_bareClient, 64);
    }

    /// <summary>From connect to the FIN of a handler that only returns; the client's socket is among what is allocated.</summary>
    [Benchmark(Description = "accept, handler, end")]
    public void Accept()
    {
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(_listening.LocalEndPoint!);
        if (client.Receive(_received) != 0)
        {
            throw new InvalidOperationException("The handler sends nothing, and yet something came.");
        }
    }

    private static async Task EchoAsync(TransportConnection connection)
    {
        while (true)
        {
            var result = await connection.Input.ReadAsync();
            foreach (var segment in result.Buffer)
            {
                await connection.Output.WriteAsync(segment);
            }

            connection.Input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                return;
            }
        }
    }

    private void Echo(int size)
    {
        _echoClient.Send(_bytes.AsSpan(0, size));
        Receive(_echoClient, size);
    }

    private void Receive(Socket client, int size)
    {
        for (var at = 0; at < size;)
        {
            var count = client.Receive(_received.AsSpan(at, size - at));
            at += count > 0 ? count : throw new InvalidOperationException($"The stream ended after {at} of {size} bytes.");
        }
    }

    private (Socket Client, TransportConnection Server) Connect()
    {
        var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        client.Connect(_listening.LocalEndPoint!);
        var accepted = _transport.AcceptAsync(_listening, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        return (client, _transport.Attach(accepted, new ConnectionLimits { ReadLimit = 1 << 20 }));
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var accepted = await _transport.AcceptAsync(_listening, _over.Token);
                var connection = _transport.Attach(accepted, new ConnectionLimits { ReadLimit = 1 << 20 });
                connection.Start(new Handler(connection, static _ => Task.CompletedTask));
            }
        }
        catch (OperationCanceledException)
        {
            // The end of the benchmark.
        }
    }

    private sealed class Handler(TransportConnection connection, Func<TransportConnection, Task> run) : IConnectionOwner
    {
        public void Run() => _ = RunAsync();

        private async Task RunAsync()
        {
            await run(connection);
            await connection.FinishAsync();
        }
    }
}
