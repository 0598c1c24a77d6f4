using Microsoft.Extensions.DependencyInjection;

namespace PluginServer.Plugins;

/// <summary>Lets a plugin that wants it play a client against each of its handlers, before anybody is served by them.</summary>
internal static class WarmUp
{
    /// <exception cref="PluginException">The plugin's warm-up or its handler failed, or they took too long.</exception>
    public static async Task RunAsync(PluginGeneration generation, string endpoint, HandlerBinding binding, TimeProvider time)
    {
        try
        {
            foreach (var client in CleanContext.Run(() => generation.Loaded.Services.GetServices<IWarmUp>().ToList()))
            {
                await RunAsync(client, new MemoryConnection(endpoint), binding, time);
            }
        }
        catch (Exception error)
        {
            var problem = error is TimeoutException or OperationCanceledException ? $"did not end within {LoadedPlugin.ServiceTimeout.TotalSeconds:0} s" : $"failed: {LoadedPlugin.Cause(error)}";
            throw new PluginException($"plugin {generation.Build.Name}: the warm-up of {binding.Handler} for endpoint {endpoint} {problem}");
        }
    }

    private static async Task RunAsync(IWarmUp client, MemoryConnection connection, HandlerBinding binding, TimeProvider time)
    {
        using var deadline = new CancellationTokenSource(LoadedPlugin.ServiceTimeout, time);
        var scope = CleanContext.Run(binding.CreateScope);
        var handler = CleanContext.Run(() => binding.Create(scope));
        var serving = CleanContext.Run(() => ServeAsync(handler, scope, connection));
        var playing = CleanContext.Run(() => PlayAsync(client, handler.GetType(), connection, deadline.Token));
        try
        {
            // Both to the end: a handler that fails is the cause, and what its client makes of it is not.
            await Task.WhenAll(serving, playing).WaitAsync(LoadedPlugin.ServiceTimeout, time);
        }
        catch (TimeoutException)
        {
            connection.Abort("the warm-up took too long");
            throw;
        }
    }

    private static async Task ServeAsync(IConnectionHandler handler, IServiceScope? scope, MemoryConnection connection)
    {
        try
        {
            await handler.HandleAsync(connection, CancellationToken.None);
        }
        finally
        {
            connection.Finish();
            await HandlerBinding.DisposeAsync(handler);
            await HandlerBinding.DisposeAsync(scope);
        }
    }

    private static async Task PlayAsync(IWarmUp client, Type handler, MemoryConnection connection, CancellationToken deadline)
    {
        try
        {
            await client.WarmUpAsync(handler, connection, deadline);
        }
        finally
        {
            connection.Hang();
        }
    }
}
