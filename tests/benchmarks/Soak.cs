using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Newtonsoft.Json.Linq;
using PluginServer.Administration;

namespace PluginServer.Benchmarks;

/// <summary>Everything together for as long as asked: echoes that live from start to end, churn, resets, and a swap every few seconds. Nobody may
/// see a wrong byte, and descriptors and memory must not grow.</summary>
internal sealed class Soak(ServerProcess server)
{
    private static readonly TimeSpan BetweenSwaps = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan BetweenLooks = TimeSpan.FromSeconds(15);

    private readonly List<(double Seconds, int Descriptors, long Memory)> _looks = [];
    private readonly long _started = Stopwatch.GetTimestamp();
    private long _resets;
    private int _swaps;

    public static async Task<int> RunAsync(TimeSpan length)
    {
        using var server = await ServerProcess.StartHostAsync();
        return await new Soak(server).SoakAsync(length);
    }

    private async Task<int> SoakAsync(TimeSpan length)
    {
        var atRest = server.Descriptors;
        Console.WriteLine("seconds | descriptors | MiB | swaps | resets");
        using var over = new CancellationTokenSource(length);
        var resets = ResetAsync(over.Token);
        var swaps = SwapAsync(over.Token);
        var looks = LookAsync(over.Token);
        var echo = new LoadGenerator(Scenario.Plain[0], server.Port).RunAsync(length);
        var churn = new LoadGenerator(Scenario.Plain[^1], server.Port).RunAsync(length);
        await Task.WhenAll(resets, swaps, looks, echo, churn);

        var status = await CallAsync(HttpMethod.Get, "/api/status");
        for (var wait = Stopwatch.GetTimestamp(); (int)status["endpoints"]![0]!["activeConnections"]! > 0 && Stopwatch.GetElapsedTime(wait) < BetweenLooks;)
        {
            await Task.Delay(100);
            status = await CallAsync(HttpMethod.Get, "/api/status");
        }

        List<string> wrong = [];
        void Check(bool holds, string what) => wrong.AddRange(holds ? [] : [what]);
        var endpoint = status["endpoints"]![0]!;
        var generations = status["plugins"]![0]!["generations"]!;
        Check(echo.Result.Errors == 0, $"{echo.Result.Errors} of the connections that lived were broken or answered wrongly");
        Check(churn.Result.Errors == 0, $"{churn.Result.Errors} of the connections that came and went were refused, broken or answered wrongly");
        Check((int)endpoint["activeConnections"]! == 0, $"{endpoint["activeConnections"]} connections are left");
        Check((int)endpoint["handlerFaults"]! == 0, $"{endpoint["handlerFaults"]} handler faults");
        Check((int)endpoint["acceptErrors"]! == 0, $"{endpoint["acceptErrors"]} accept errors");
        Check(generations.All(generation => (string?)generation["state"] != "leaked"), "a generation has leaked");
        Check(_swaps > 0 && (int)endpoint["generation"]! == _swaps + 1, $"generation {endpoint["generation"]} after {_swaps} swaps");
        Check(Grows(look => look.Descriptors) is var descriptors && Math.Abs(descriptors) < 16, $"descriptors went from half to half by {descriptors:0}");
        Check(Grows(look => look.Memory) is var memory && memory < 16 << 20, $"memory grew from half to half by {memory / (1 << 20):0} MiB");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{echo.Result.PerSecond:0} echoes and {churn.Result.PerSecond:0} connections a second, {_resets} resets, {_swaps} swaps; descriptors {atRest} before and {server.Descriptors} after; from half to half {descriptors:+0;-0;0} descriptors, {memory / (1 << 20):+0.0;-0.0;0} MiB"));
        wrong.ForEach(Console.WriteLine);
        Console.WriteLine(wrong.Count == 0 ? "nothing was wrong" : $"{wrong.Count} things were wrong");
        return wrong.Count == 0 ? 0 : 1;
    }

    /// <summary>The mean of the later half of the run over that of the middle quarter: what grows goes on growing.</summary>
    private double Grows(Func<(double Seconds, int Descriptors, long Memory), double> figure)
    {
        var quarter = _looks.Count / 4;
        return quarter == 0 ? 0 : _looks.Skip(3 * quarter).Average(figure) - _looks.Skip(quarter).Take(quarter).Average(figure);
    }

    private async Task LookAsync(CancellationToken over)
    {
        using var timer = new PeriodicTimer(BetweenLooks);
        while (await TickAsync(timer, over))
        {
            _looks.Add((Stopwatch.GetElapsedTime(_started).TotalSeconds, server.Descriptors, server.Memory));
            var (seconds, descriptors, memory) = _looks[^1];
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{seconds:0} | {descriptors} | {memory / (double)(1 << 20):0.0} | {_swaps} | {_resets}"));
        }
    }

    private async Task SwapAsync(CancellationToken over)
    {
        using var timer = new PeriodicTimer(BetweenSwaps);
        while (await TickAsync(timer, over))
        {
            await File.WriteAllTextAsync(Path.Combine(server.Folder, "plugins", "Echo", "build.txt"), $"{_swaps}", CancellationToken.None);
            var outcome = await CallAsync(HttpMethod.Post, "/api/reload");
            if (!(bool)outcome["accepted"]!)
            {
                throw new InvalidOperationException($"a swap was rejected: {outcome}");
            }

            _swaps++;
        }
    }

    /// <summary>Clients that leave by a reset, with an answer under way.</summary>
    private async Task ResetAsync(CancellationToken over)
    {
        var bytes = new byte[100_000];
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (await TickAsync(timer, over))
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { LingerState = new LingerOption(true, 0) };
            await socket.ConnectAsync(IPAddress.Loopback, server.Port, CancellationToken.None);
            await socket.SendAsync(bytes.AsMemory(0, 1 + (int)(_resets % bytes.Length)), CancellationToken.None);
            _resets++;
        }
    }

    private async Task<JObject> CallAsync(HttpMethod method, string call)
    {
        var answer = await ControlClient.SendAsync(method, call, server.ConfigFile, CancellationToken.None);
        return answer.Json ?? throw new InvalidDataException($"{call} was answered {answer.Status}: {answer.Text}");
    }

    private static async Task<bool> TickAsync(PeriodicTimer timer, CancellationToken over)
    {
        try
        {
            return await timer.WaitForNextTickAsync(over);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
