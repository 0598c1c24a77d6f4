using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace PluginServer.Tests.Support;

/// <summary>Clients of the Swap fixture's VersionHandler that cost little, so that the host is what is measured: blocking sockets on a few
/// threads of their own. Some live through everything, the others come at a fixed rate; each must be answered by one version from
/// its first to its last byte.</summary>
internal sealed class Load : IDisposable
{
    private const int Timeout = 30_000;
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(20);

    private readonly IPEndPoint _server;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentQueue<string> _failures = [];
    private readonly ConcurrentQueue<Answered> _answered = [];
    private readonly List<Thread> _threads = [];
    private readonly long _started = Stopwatch.GetTimestamp();
    private long _roundTrips;
    private volatile string? _latest;

    /// <param name="server">Where the handler listens.</param>
    /// <param name="living">Connections that go on until the end.</param>
    /// <param name="perSecond">New connections a second, over all threads.</param>
    public Load(IPEndPoint server, int living = 64, int perSecond = 600)
    {
        const int Threads = 4;
        _server = server;
        Run("living", () => Live(living));
        for (var thread = 0; thread < Threads; thread++)
        {
            var first = thread;
            Run("coming", () => Come(Stopwatch.Frequency * Threads / perSecond, first * Stopwatch.Frequency / perSecond));
        }
    }

    /// <summary>Short connections that were answered whole and right, in the order in which they ended.</summary>
    public IReadOnlyCollection<Answered> All => _answered;

    public int Count => _answered.Count;

    /// <summary>The version that answered whoever was answered last.</summary>
    public string? Latest => _latest;

    /// <summary>Round trips of those that live.</summary>
    public long RoundTrips => Interlocked.Read(ref _roundTrips);

    /// <summary>What went wrong: refused, reset, a wrong byte, two versions on one connection.</summary>
    public IReadOnlyCollection<string> Failures => _failures;

    public double PerSecond => Count / Stopwatch.GetElapsedTime(_started).TotalSeconds;

    /// <summary>Ends the load, lets everyone finish, and fails the test when anything went wrong.</summary>
    public void Finish()
    {
        _stop.Cancel();
        _threads.ForEach(thread => thread.Join());
        Assert.That(_failures.Take(5), Is.Empty, "every client was answered right");
    }

    /// <summary>The 99th percentile of the time that these took, from when they were due to the last byte.</summary>
    public static TimeSpan P99(IEnumerable<Answered> connections)
    {
        var times = connections.Select(connection => connection.Took).Order().ToList();
        return times[times.Count * 99 / 100];
    }

    public void Dispose()
    {
        _stop.Cancel();
        _threads.ForEach(thread => thread.Join());
        _stop.Dispose();
    }

    private void Run(string name, Action action)
    {
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception error)
            {
                _failures.Enqueue($"{name}: {error.Message}");
            }
        })
        { IsBackground = true, Name = name };
        _threads.Add(thread);
        thread.Start();
    }

    private void Live(int count)
    {
        var sockets = Enumerable.Range(0, count).Select(_ => Connect()).ToList();
        var versions = new string[count];
        var buffer = new byte[256];
        for (var number = 0; !_stop.IsCancellationRequested; number++)
        {
            var line = Encoding.ASCII.GetBytes($"{number}\n");
            sockets.ForEach(socket => socket.Send(line));
            for (var index = 0; index < count; index++)
            {
                var answer = ReadLine(sockets[index], buffer);
                versions[index] ??= answer.Split(' ')[0];
                if (answer != $"{versions[index]} {number}")
                {
                    throw new InvalidDataException($"connection {index} of version {versions[index]} sent {number} and was answered '{answer}'");
                }
            }

            Interlocked.Add(ref _roundTrips, count);
            _stop.Token.WaitHandle.WaitOne(Pace);
        }

        sockets.ForEach(socket => socket.Dispose());
    }

    private void Come(long interval, long offset)
    {
        var line = "a\nb\n"u8.ToArray();
        var buffer = new byte[256];
        for (var due = _started + offset; !_stop.IsCancellationRequested; due += interval)
        {
            var wait = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), due);
            if (wait > TimeSpan.Zero && _stop.Token.WaitHandle.WaitOne(wait))
            {
                return;
            }

            try
            {
                using var socket = Connect();
                socket.Send(line);
                socket.Shutdown(SocketShutdown.Send);
                var answer = ReadToEnd(socket, buffer);
                var version = answer.Split(' ')[0];
                if (answer != $"{version} a\n{version} b\n")
                {
                    throw new InvalidDataException($"answered '{answer}'");
                }

                // From when it was due: a stall counts for everyone whom it kept waiting.
                _answered.Enqueue(new Answered(due, Stopwatch.GetElapsedTime(due), version));
                _latest = version;
            }
            catch (Exception error) when (error is SocketException or InvalidDataException)
            {
                _failures.Enqueue(string.Create(CultureInfo.InvariantCulture, $"coming, after {Stopwatch.GetElapsedTime(_started).TotalSeconds:0.0} s: {error.Message}"));
            }
        }
    }

    private Socket Connect()
    {
        var socket = new Socket(_server.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true, ReceiveTimeout = Timeout, SendTimeout = Timeout };
        try
        {
            socket.Connect(_server);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static string ReadLine(Socket socket, byte[] buffer)
    {
        var length = 0;
        while (length == 0 || buffer[length - 1] != '\n')
        {
            var received = socket.Receive(buffer, length, buffer.Length - length, SocketFlags.None);
            length += received > 0 ? received : throw new InvalidDataException($"the connection ended after '{Encoding.ASCII.GetString(buffer, 0, length)}'");
        }

        return Encoding.ASCII.GetString(buffer, 0, length - 1);
    }

    private static string ReadToEnd(Socket socket, byte[] buffer)
    {
        var length = 0;
        while (socket.Receive(buffer, length, buffer.Length - length, SocketFlags.None) is var received and > 0)
        {
            length += received;
        }

        return Encoding.ASCII.GetString(buffer, 0, length);
    }

    /// <summary>One short connection.</summary>
    /// <param name="Due">When it was to come, as a <see cref="Stopwatch"/> timestamp.</param>
    /// <param name="Took">From then to its last byte.</param>
    /// <param name="Version">Which build answered.</param>
    public readonly record struct Answered(long Due, TimeSpan Took, string Version);
}
