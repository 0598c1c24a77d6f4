using Microsoft.Extensions.DependencyInjection;

namespace PluginServer.Plugins;

/// <summary>What an endpoint runs: a handler type of one generation, with the endpoint's settings already bound.</summary>
internal sealed class HandlerBinding(PluginGeneration generation, string handler, IServiceProvider services, ObjectFactory factory, object[] arguments, bool scoped)
{
    public PluginGeneration Generation => generation;

    /// <summary>Simple name of the handler's type.</summary>
    public string Handler => handler;

    /// <summary>Makes the handler of one connection, in a scope of its own unless all it asks for are singletons.</summary>
    public (IConnectionHandler Handler, AsyncServiceScope? Scope) Create()
    {
        if (!scoped)
        {
            return ((IConnectionHandler)factory(services, arguments), null);
        }

        var scope = services.CreateAsyncScope();
        try
        {
            return ((IConnectionHandler)factory(scope.ServiceProvider, arguments), scope);
        }
        catch
        {
            // Handlers are made where nothing can be awaited; what is only IAsyncDisposable is disposed in the background.
            _ = scope.DisposeAsync().AsTask();
            throw;
        }
    }
}
