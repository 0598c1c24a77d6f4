using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using PluginServer.Networking;
using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Endpoints whose handlers fail at every connection, under load, and what an Echo endpoint beside them notices of it.</summary>
[NonParallelizable]
internal sealed class NeighbourTests
{
    private const int Rate = 200;
    private static readonly byte[] Message = "are you there?\n"u8.ToArray();

    private readonly List<Exception> _errors = [];

    /// <summary>For a minute at full size.</summary>
    [Test]
    [Category("Long")]
    public async Task Handlers_that_fail_200_times_a_second_cost_their_neighbour_nothing()
    {
        var length = TimeSpan.FromSeconds(int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_NEIGHBOUR_SECONDS"), out var seconds) ? seconds : 2);
        var workspace = new Workspace().With("Misbehaving", "Echo").Configure("""
            [ { "name": "throws", "address": "127.0.0.1", "port": 0, "plugin": "Misbehaving", "handler": "AtOnceHandler" },
              { "name": "from second", "address": "127.0.0.1", "port": 0, "plugin": "Misbehaving", "handler": "FromSecondHandler" },
              { "name": "beside", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]
            """);
        await using var server = await TestServer.StartAsync(workspace);
        var (throws, fromSecond, beside) = (server.Endpoint("throws"), server.Endpoint("from second"), server.Endpoint("beside"));
        var watch = Stopwatch.StartNew();
        var clients = new Clients(watch, length);
        Thread[] threads =
        [
            Start(() => clients.Knock(throws)),
            Start(() => clients.Knock(fromSecond)),
            Start(() => clients.EchoOnOne(beside)),
            Start(() => clients.EchoOnMany(beside)),
        ];
        foreach (var thread in threads)
        {
            Assert.That(thread.Join(length + Deadline.Length), Is.True, "a client hangs");
        }

        var took = watch.Elapsed;
        Assert.That(_errors, Is.Empty);
        await server.AssertNothingLeftAsync();
        foreach (var endpoint in server.Server.Endpoints)
        {
            var counters = endpoint.Counters;
            TestContext.Out.WriteLine($"{endpoint.Name}: {counters.Accepted} connections ({counters.Accepted / took.TotalSeconds:0}/s), {counters.HandlerFaults} faults, {counters.AcceptErrors} accept errors, {counters.AcceptorRestarts} acceptor restarts");
            Assert.That(counters.Accepted, Is.EqualTo(endpoint.Connections.Count + counters.Ended), endpoint.Name);
            Assert.That((counters.AcceptErrors, counters.AcceptorRestarts), Is.EqualTo((0, 0)), endpoint.Name);
        }

        TestContext.Out.WriteLine($"beside: {clients.Echoes / took.TotalSeconds:0} round trips a second on one connection, the slowest {clients.Slowest.TotalMilliseconds:0.0} ms");
        Assert.That(throws.Counters.Accepted, Is.EqualTo(clients.Knocked(throws)));
        Assert.That(throws.Counters.HandlerFaults, Is.EqualTo(throws.Counters.Accepted));
        Assert.That(fromSecond.Counters.Accepted, Is.EqualTo(clients.Knocked(fromSecond)));
        Assert.That(fromSecond.Counters.HandlerFaults, Is.EqualTo(fromSecond.Counters.Accepted - 1));
        Assert.That((beside.Counters.HandlerFaults, beside.Counters.Accepted), Is.EqualTo((0, clients.Visits + 1)));

        await File.WriteAllTextAsync(Path.Combine(workspace.PluginFolder("Misbehaving"), "changed.txt"), "another build");
        Assert.That((await server.Reloader.ReloadAsync().Within()).Errors, Is.Empty);
        var old = server.Server.Generations.Single(generation => generation is { Number: 1, Build.Name: "Misbehaving" });
        await Deadline.UntilAsync(() => old.State is GenerationState.Unloaded or GenerationState.Leaked, "unloaded");
        Assert.That(old.State, Is.EqualTo(GenerationState.Unloaded), old.Leak);
    }

    /// <summary>A thread that blocks, because it is to cost the host's pool nothing.</summary>
    private Thread Start(Action clients)
    {
        var thread = new Thread(() =>
        {
            try
            {
                clients();
            }
            catch (Exception error)
            {
                lock (_errors)
                {
                    _errors.Add(error);
                }
            }
        });
        thread.Start();
        return thread;
    }

    private sealed class Clients(Stopwatch watch, TimeSpan length)
    {
        private readonly Dictionary<Endpoint, int> _knocked = [];

        /// <summary>Round trips on the one connection that stays.</summary>
        public int Echoes { get; private set; }

        public TimeSpan Slowest { get; private set; }

        /// <summary>Connections of one round trip each.</summary>
        public int Visits { get; private set; }

        public int Knocked(Endpoint endpoint)
        {
            lock (_knocked)
            {
                return _knocked[endpoint];
            }
        }

        /// <summary>Connects at the rate, and waits each time for the reset or, of the first, the FIN.</summary>
        public void Knock(Endpoint endpoint)
        {
            var count = AtRate(() => ConnectToTheEnd(endpoint));
            lock (_knocked)
            {
                _knocked[endpoint] = count;
            }
        }

        public void EchoOnOne(Endpoint endpoint)
        {
            using var socket = Connect(endpoint);
            while (watch.Elapsed < length)
            {
                var started = watch.Elapsed;
                Echo(socket);
                Echoes++;
                Slowest = TimeSpan.FromTicks(Math.Max(Slowest.Ticks, (watch.Elapsed - started).Ticks));
            }
        }

        public void EchoOnMany(Endpoint endpoint) => Visits = AtRate(() =>
        {
            using var socket = Connect(endpoint);
            Echo(socket);
            socket.Shutdown(SocketShutdown.Send);
            Assert.That(socket.Receive(new byte[1]), Is.Zero, "FIN");
        });

        /// <summary>Again and again, as often as the rate says; what was late is made up for. Says how often.</summary>
        private int AtRate(Action call)
        {
            using var tick = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / Rate));
            var count = 0;
            while (watch.Elapsed < length)
            {
                for (; count < watch.Elapsed.TotalSeconds * Rate && watch.Elapsed < length; count++)
                {
                    call();
                }

                tick.WaitForNextTickAsync().AsTask().Wait();
            }

            return count;
        }

        private static Socket Connect(Endpoint endpoint)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = (int)Deadline.Length.TotalMilliseconds };
            socket.Connect(IPAddress.Loopback, endpoint.Port);
            return socket;
        }

        private static void ConnectToTheEnd(Endpoint endpoint)
        {
            try
            {
                using var socket = Connect(endpoint);
                var buffer = new byte[64];
                while (socket.Receive(buffer) > 0)
                {
                }
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
            {
                // That is how it ends.
            }
        }

        private static void Echo(Socket socket)
        {
            socket.Send(Message);
            var answer = new byte[Message.Length];
            for (var read = 0; read < answer.Length;)
            {
                var count = socket.Receive(answer.AsSpan(read));
                Assert.That(count, Is.Positive, "FIN in the middle of an echo");
                read += count;
            }

            Assert.That(answer, Is.EqualTo(Message));
        }
    }
}
