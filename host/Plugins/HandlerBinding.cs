using Microsoft.Extensions.DependencyInjection;

namespace PluginServer.Plugins;

/// <summary>What an endpoint runs: a handler type of one generation, with the endpoint's settings already bound.</summary>
internal sealed class HandlerBinding(PluginGeneration generation, string handler, IServiceProvider services, ObjectFactory factory, object[] arguments, bool scoped, bool readsMessages, bool changesCode)
{
    public PluginGeneration Generation => generation;

    /// <summary>Simple name of the handler's type.</summary>
    public string Handler => handler;

    /// <summary>Whether it is called for each message.</summary>
    public bool ReadsMessages => readsMessages;

    /// <summary>Whether it takes over the connections of another build, between two of their messages.</summary>
    public bool TakesOver(HandlerBinding other) =>
        generation != other.Generation && changesCode && other.ChangesCode && handler == other.Handler && generation.Build.Name == other.Generation.Build.Name;

    /// <summary>Whether its handlers can take over from others, and be taken over from.</summary>
    private bool ChangesCode => changesCode;

    /// <summary>What is one connection's own: a scope, unless all that the handler asks for are singletons.</summary>
    public IServiceScope? CreateScope() => scoped ? services.CreateScope() : null;

    /// <summary>Makes the handler of one connection.</summary>
    public IConnectionHandler Create(IServiceScope? scope) => (IConnectionHandler)factory(scope?.ServiceProvider ?? services, arguments);

    /// <summary>The end of a handler or a scope; null is none.</summary>
    public static Task DisposeAsync(object? made)
    {
        if (made is IAsyncDisposable disposable)
        {
            return disposable.DisposeAsync().AsTask();
        }

        (made as IDisposable)?.Dispose();
        return Task.CompletedTask;
    }
}
