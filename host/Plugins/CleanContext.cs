namespace PluginServer.Plugins;

/// <summary>Calls plugin code so that what it writes to AsyncLocals, log scopes among them, does not stay in the host's flow.</summary>
/// <remarks>A value left there would be carried into every task the host starts later, and keep the plugin's load context alive.</remarks>
internal static class CleanContext
{
    private static readonly ExecutionContext Empty = Capture();

    public static T Run<T>(Func<T> call)
    {
        T result = default!;
        ExecutionContext.Run(Empty, _ => result = call(), null);
        return result;
    }

    public static void Run(ContextCallback call, object state) => ExecutionContext.Run(Empty, call, state);

    private static ExecutionContext Capture()
    {
        ExecutionContext? captured = null;
        // A thread started without flow begins with the empty context, whoever happens to call here first.
        var thread = new Thread(() => captured = ExecutionContext.Capture());
        thread.UnsafeStart();
        thread.Join();
        return captured!;
    }
}
