using System.Collections.Concurrent;
using System.Diagnostics;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>Certificates are renewed by all the ways that people have, while clients come without a pause.</summary>
[Category("Long")]
[NonParallelizable]
[TestFixture("epoll")]
[TestFixture("sockets")]
internal sealed class RenewalUnderLoadTests(string transport)
{
    private const int Clients = 4;
    private static readonly string[] Hosts = ["copied.example", "moved.example", "flipped.example"];
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);
    private readonly TlsSite _site = new(transport);
    private readonly ConcurrentDictionary<string, string> _shown = new();
    private readonly ConcurrentQueue<string> _failures = [];
    private int _handshakes;

    private static int Size => int.TryParse(Environment.GetEnvironmentVariable("PLUGINSERVER_RENEWALS"), out var size) ? size : 3;

    [SetUp]
    public async Task Fill()
    {
        if (await Tools.MissingAsync("cp", "mv", "ln") is { } why)
        {
            Assert.Ignore(why);
        }

        _site.Fill();
    }

    [TearDown]
    public void Remove() => _site.Dispose();

    [Test]
    public async Task No_handshake_fails_and_new_ones_are_shown_the_new_certificate_within_seconds()
    {
        var present = Hosts.ToDictionary(host => host, Write);
        await RunAsync($"cd '{_site.Files.Folder}'; mkdir copied moved flipped; mv copied.example.* copied/; mv moved.example.* moved/; mkdir flipped/..0; mv flipped.example.* flipped/..0/; ln -s ..0 flipped/..data; ln -s ..data/flipped.example.pem ..data/flipped.example.key flipped/");
        var entries = Hosts.Select(host => $$"""{ "host": "{{host}}", "certificate": "{{At(host, "pem")}}", "key": "{{At(host, "key")}}" }""");
        _site.Configure($", \"sni\": [ {string.Join(", ", entries)} ]");
        await using var server = await TestServer.StartAsync(_site.Workspace, keep: true, watch: true);
        using var stays = await server.ConnectAsync();
        await using var live = await TlsSite.EnterAsync(stays, Hosts[0]);
        using var reader = new StreamReader(live);
        Assert.That(await reader.ReadLineAsync(Deadline.Token), Does.StartWith("Tls13 "));

        using var stop = new CancellationTokenSource();
        var load = Enumerable.Range(0, Clients).Select(first => Task.Run(() => ComeAndGoAsync(server, first, stop.Token))).ToArray();
        await Deadline.UntilAsync(() => Hosts.All(host => _shown.GetValueOrDefault(host) == present[host]), "all three are shown");
        var slowest = TimeSpan.Zero;
        for (var renewal = 0; renewal < Size; renewal++)
        {
            var host = Hosts[renewal % Hosts.Length];
            var serial = Write(host);

            // Every other time the host gets to see the one without the other.
            var pause = renewal % 2 == 0 ? "sleep 3.5" : "true";
            await RunAsync($"cd '{_site.Files.Folder}'; " + (renewal % Hosts.Length) switch
            {
                0 => $"cp {host}.pem copied/; {pause}; cp {host}.key copied/",
                1 => $"mv -f {host}.key moved/; {pause}; mv -f {host}.pem moved/",
                _ => $"cd flipped; mkdir ..{renewal + 1}; mv ../{host}.* ..{renewal + 1}/; ln -s ..{renewal + 1} ..data_tmp; mv -T ..data_tmp ..data; rm -r ..{Math.Max(0, renewal + 1 - Hosts.Length)}",
            });
            var watch = Stopwatch.StartNew();
            await Deadline.UntilAsync(() => _shown[host] == serial, "the new one is shown");
            slowest = watch.Elapsed > slowest ? watch.Elapsed : slowest;
            await live.WriteAsync("still here\n"u8.ToArray(), Deadline.Token);
            Assert.That(await reader.ReadLineAsync(Deadline.Token), Is.EqualTo("still here"));
        }

        await stop.CancelAsync();
        await Task.WhenAll(load).Within();
        var refused = server.Log.Count(line => line.StartsWith("Error 111", StringComparison.Ordinal));
        TestContext.Out.WriteLine($"{transport}: {Size} renewals, {_handshakes} handshakes, {_failures.Count} of them failed; shown after {slowest.TotalSeconds:0.00} s at most; {refused} times a file was there without the other");
        Assert.That(_failures, Is.Empty);
        Assert.That(slowest, Is.LessThan(Longest));
        Assert.That(server.Log.Count(line => line.Contains(" renewed, valid until ", StringComparison.Ordinal)), Is.EqualTo(Size));
        Assert.That(refused, Is.GreaterThan(0), "the host has seen a certificate without its key");
        Assert.That(server.Endpoint().Counters.Rejected, Is.Zero);
        Assert.That(server.Reloader.Status().Config.Applied, Is.True);
    }

    private static async Task RunAsync(string script)
    {
        var (code, output) = await Tools.RunAsync("sh", "-ec", script);
        Assert.That(code, Is.Zero, output);
    }

    /// <summary>A new certificate and its key, beside the place where the host looks; its serial number.</summary>
    private string Write(string host)
    {
        var certificate = TlsSite.Issue(host);
        _site.Files.Write($"{host}.pem", certificate.Pem);
        _site.Files.Write($"{host}.key", certificate.KeyPem);
        return certificate.Certificate.SerialNumber;
    }

    private string At(string host, string kind) => Path.Combine(_site.Files[host[..host.IndexOf('.')]], $"{host}.{kind}");

    /// <summary>One connection after the other, of one host after the other: a handshake, an echo, the end.</summary>
    private async Task ComeAndGoAsync(TestServer server, int first, CancellationToken stop)
    {
        for (var number = first; !stop.IsCancellationRequested; number++)
        {
            var host = Hosts[number % Hosts.Length];
            try
            {
                using var client = await server.ConnectAsync();
                await using var tls = await TlsSite.EnterAsync(client, host);
                using var reader = new StreamReader(tls);
                await reader.ReadLineAsync(Deadline.Token);
                await tls.WriteAsync("hello\n"u8.ToArray(), Deadline.Token);
                if (await reader.ReadLineAsync(Deadline.Token) != "hello")
                {
                    throw new InvalidDataException("no echo");
                }

                _shown[host] = tls.RemoteCertificate!.GetSerialNumberString();
                Interlocked.Increment(ref _handshakes);
            }
            catch (Exception error)
            {
                _failures.Enqueue($"{host}: {error.Message}");
            }
        }
    }
}
