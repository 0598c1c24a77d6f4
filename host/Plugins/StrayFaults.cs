using System.Diagnostics;
using System.Runtime.Loader;
using Microsoft.Extensions.Logging;
using PluginServer.Diagnostics;

namespace PluginServer.Plugins;

/// <summary>What one generation let escape where no handler is: on threads of its own, in timers, finalizers, <c>async void</c>
/// and tasks that nobody awaits.</summary>
/// <remarks>Without telemetry each is a line of the log; with it a storm of them is one a second. Unhandled, each of these but the last would end the process. They are told by the plugin's methods on their stack.</remarks>
internal sealed class StrayFaults(string plugin, int generation, ILogger log, Telemetry? telemetry)
{
    private long _count;

    public long Count => Interlocked.Read(ref _count);

    /// <summary>Takes note of an exception that nothing caught. False when no plugin's method is on its stack: then the host
    /// itself is at fault, and may not go on.</summary>
    public static bool TryContain(Exception error)
    {
        if (Culprit(error) is not { } faults)
        {
            return false;
        }

        faults.Add(error);
        return true;
    }

    /// <summary>Takes note of what a collected task had thrown, as far as it is a plugin's fault.</summary>
    public static void Observe(AggregateException unobserved)
    {
        // What a task that was left behind is told by the pipes of its ended connection is in order.
        foreach (var error in unobserved.Flatten().InnerExceptions.Where(error => error is not (ConnectionClosedException or OperationCanceledException)))
        {
            TryContain(error);
        }
    }

    private static StrayFaults? Culprit(Exception error)
    {
        foreach (var frame in new StackTrace(error).GetFrames())
        {
            if (frame.GetMethod()?.Module.Assembly is { } assembly && AssemblyLoadContext.GetLoadContext(assembly) is PluginLoadContext context)
            {
                return context.Faults;
            }
        }

        // The callbacks of a token, for one, throw together, from the framework's code.
        return error is AggregateException many
            ? many.InnerExceptions.Select(Culprit).FirstOrDefault(culprit => culprit is not null)
            : error.InnerException is { } inner ? Culprit(inner) : null;
    }

    private void Add(Exception error)
    {
        Interlocked.Increment(ref _count);
        var text = FaultText.Of(error);
        if (telemetry is null)
        {
            Log.StrayFault(log, plugin, generation, text);
        }
        else if (telemetry.Storms.Admits(StormCause.OfPlugin("exception outside of handlers", $"{plugin} generation {generation}", text)))
        {
            Log.StrayFault(log, plugin, generation, text);
            telemetry.Events.Publish(HostEventKind.Fault, $"outside of its handlers: {FaultText.FirstLine(text)}", plugin, generation);
        }
    }
}
