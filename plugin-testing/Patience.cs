using System.Diagnostics;
using NUnit.Framework;

namespace PluginServer.Testing;

/// <summary>How long the kit waits, in real time, for what ought to come: so long that only a hang reaches it.</summary>
internal static class Patience
{
    /// <summary>Between two looks at what raises no signal of its own.</summary>
    public static readonly TimeSpan Look = TimeSpan.FromMilliseconds(1);

    private static readonly TimeSpan Full = TimeSpan.FromSeconds(30);
    private static readonly AsyncLocal<TimeSpan?> Shortened = new();

    public static TimeSpan Length => Shortened.Value ?? Full;

    /// <summary>Of the caller, and of what it calls from now on: for tests of what happens then.</summary>
    public static void Shorten(TimeSpan length) => Shortened.Value = length;

    /// <summary>Waits for it; fails with what is said then.</summary>
    public static async Task WithinAsync(this Task task, Func<string> otherwise, CancellationToken cancellationToken = default)
    {
        try
        {
            await task.WaitAsync(Length, cancellationToken);
        }
        catch (TimeoutException) when (!task.IsCompleted)
        {
            throw new AssertionException($"After {Length.TotalSeconds} s: {otherwise()}.");
        }
    }

    /// <summary>Waits for what raises no signal of its own, such as a counter.</summary>
    public static async Task UntilAsync(Func<bool> condition, Func<string> otherwise, CancellationToken cancellationToken = default)
    {
        var watch = Stopwatch.StartNew();
        while (!condition())
        {
            if (watch.Elapsed > Length)
            {
                throw new AssertionException($"After {Length.TotalSeconds} s: {otherwise()}.");
            }

            await Task.Delay(Look, cancellationToken);
        }
    }
}
