namespace PluginServer.Tests.Support;

/// <summary>How long a test waits for something that ought to come: long enough that only a hang reaches it.</summary>
internal static class Deadline
{
    public static readonly TimeSpan Length = TimeSpan.FromSeconds(60);

    public static CancellationToken Token => new CancellationTokenSource(Length).Token;

    /// <summary>Looks until the condition holds, yielding in between; fails with what was awaited.</summary>
    public static async Task UntilAsync(Func<bool> condition, string what)
    {
        var token = Token;
        while (!condition())
        {
            if (token.IsCancellationRequested)
            {
                Assert.Fail($"not within {Length.TotalSeconds:0} s: {what}");
            }

            // There is no signal for a counter; a short pause keeps the processor free for what is awaited.
            await Task.Delay(TimeSpan.FromMilliseconds(2), CancellationToken.None);
        }
    }

    public static Task<T> Within<T>(this Task<T> task) => task.WaitAsync(Length);

    public static Task Within(this Task task) => task.WaitAsync(Length);
}
