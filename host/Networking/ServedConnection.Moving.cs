using Microsoft.Extensions.DependencyInjection;
using PluginServer.Plugins;

namespace PluginServer.Networking;

/// <content>How another build of its plugin takes it over, between two messages.</content>
internal sealed partial class ServedConnection
{
    private const int Staying = 0;

    /// <summary>The handler's loop is to leave as soon as it can.</summary>
    private const int Asked = 1;

    /// <summary>It has left, and the runner is at it.</summary>
    private const int UnderWay = 2;

    /// <summary>Has the handler's loop leave. Only for handlers that have one: any other would take the end of its read for something else.</summary>
    public void AskToMove()
    {
        if (Interlocked.CompareExchange(ref _moving, Asked, Staying) == Staying)
        {
            transport.Input.CancelPendingRead();
        }
    }

    /// <summary>The runner's own: the loop has left.</summary>
    public void BeginMove() => Interlocked.Exchange(ref _moving, UnderWay);

    /// <summary>The runner's own: it may be asked again.</summary>
    public void EndMove() => Interlocked.Exchange(ref _moving, Staying);

    /// <summary>The runner's own: from now on it is this build's, whose lease the caller has; that of the one before is given back.</summary>
    public void MoveTo(HandlerBinding next, IServiceScope? scope, IConnectionHandler handler)
    {
        var before = Generation;
        var counters = home.Counters.Of(next.Generation);
        (Handler, Scope) = (handler, scope);
        home.Counters.Move(Counters, counters);
        Counters = counters;
        _dispatch = next.Generation.Dispatch;
        Volatile.Write(ref _binding, next);
        before.ReturnLease();
    }
}
