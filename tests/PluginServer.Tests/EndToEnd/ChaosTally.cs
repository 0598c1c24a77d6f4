using System.Collections.Concurrent;

namespace PluginServer.Tests.EndToEnd;

/// <summary>What a chaos run has done, by kind, and what went wrong.</summary>
internal sealed class ChaosTally
{
    private readonly ConcurrentDictionary<string, long> _counts = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _failures = [];

    public IReadOnlyCollection<string> Failures => _failures;

    public long this[string what] => _counts.GetValueOrDefault(what);

    public void Count(string what) => _counts.AddOrUpdate(what, 1, (_, before) => before + 1);

    public void Fail(string what) => _failures.Enqueue(what);

    public override string ToString() => string.Join(", ", _counts.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key} {pair.Value}"));
}

/// <summary>Choices of a seed.</summary>
internal static class Chance
{
    public static T Pick<T>(this Random random, IReadOnlyList<T> all) => all[random.Next(all.Count)];

    public static bool OneIn(this Random random, int number) => random.Next(number) == 0;

    /// <summary>Faults come at any time: the pauses between them are the purpose.</summary>
    public static Task PauseAsync(this Random random, int atMostMilliseconds, CancellationToken stop) =>
        ((Task)Task.Delay(random.Next(atMostMilliseconds + 1), stop)).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
}
