using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <summary>Whoever has a connection served: what its transport has to know of its handler.</summary>
internal interface IConnectionOwner
{
    /// <summary>Cancelled when the handler is asked to finish. A read that waits with it costs no registration: the owner tells the connection.</summary>
    CancellationToken Draining => CancellationToken.None;

    /// <summary>Which threads run the handler; null is the transport's own way.</summary>
    HandlerDispatch? Dispatch => null;

    /// <summary>What runs, for whoever wants to name it.</summary>
    string Handler => "";

    /// <summary>Starts the handler, on the calling thread, and never throws.</summary>
    void Run();

    /// <summary>Callbacks on <see cref="TransportConnection.Closed"/> have thrown.</summary>
    void BookCallbacks(AggregateException errors)
    {
    }
}
