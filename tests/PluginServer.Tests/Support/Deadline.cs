using System.Diagnostics;

namespace PluginServer.Tests.Support;

/// <summary>How long a test waits for something that ought to come: so long that only a hang reaches it.</summary>
internal static class Deadline
{
    public static readonly TimeSpan Length = TimeSpan.FromSeconds(60);

    /// <summary>Cancelled after that time from now.</summary>
    public static CancellationToken Token => new CancellationTokenSource(Length).Token;

    public static Task Within(this Task task) => task.WaitAsync(Length);

    public static Task<T> Within<T>(this Task<T> task) => task.WaitAsync(Length);

    public static Task Within(this ValueTask task) => task.AsTask().WaitAsync(Length);

    public static Task<T> Within<T>(this ValueTask<T> task) => task.AsTask().WaitAsync(Length);

    /// <summary>Waits for what raises no signal of its own, such as a counter.</summary>
    public static Task UntilAsync(Func<bool> condition, string what) => UntilAsync(() => Task.FromResult(condition()), what);

    /// <summary>The same for what has to be asked for.</summary>
    public static Task UntilAsync(Func<Task<bool>> condition, string what) => UntilAsync(condition, () => what);

    /// <summary>The same, told at the end.</summary>
    public static Task UntilAsync(Func<bool> condition, Func<string> what) => UntilAsync(() => Task.FromResult(condition()), what);

    /// <summary>The same, told at the end.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition, Func<string> what)
    {
        var watch = Stopwatch.StartNew();
        while (!await condition())
        {
            Assert.That(watch.Elapsed, Is.LessThan(Length), what);

            // Leaves the processor to what is awaited.
            await Task.Delay(TimeSpan.FromMilliseconds(2));
        }
    }

    /// <summary>Waits until a token is cancelled, by a callback of it.</summary>
    public static async Task CancelledAsync(CancellationToken token)
    {
        var fired = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = token.Register(fired.SetResult);
        await fired.Task.Within();
    }
}
