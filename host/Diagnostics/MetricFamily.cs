using System.Collections.Immutable;

namespace PluginServer.Diagnostics;

/// <summary>One metric of the host: what it is called, and what it counts.</summary>
/// <param name="Name">As an instrument of the meter, in the style of OpenTelemetry.</param>
/// <param name="Kind">How it moves.</param>
/// <param name="Unit">In UCUM: "s", "By", or a word in braces for things that are counted.</param>
/// <param name="Description">For a person.</param>
internal sealed record MetricFamily(string Name, MetricKind Kind, string Unit, string Description)
{
    public static readonly MetricFamily ActiveConnections = new("pluginserver.active_connections", MetricKind.Level, "{connection}", "Connections that are inside a handler.");
    public static readonly MetricFamily ConnectionDuration = new("pluginserver.connection.duration", MetricKind.Histogram, "s", "How long connections lived that have ended; without error.type they were closed in order, with \"cut\" the host cut them.");
    public static readonly MetricFamily Accepted = new("pluginserver.accepted_connections", MetricKind.Counter, "{connection}", "Connections that got to a handler.");
    public static readonly MetricFamily Rejected = new("pluginserver.rejected_connections", MetricKind.Counter, "{connection}", "Clients that were accepted and closed before they got to a handler; none of them counts as accepted.");
    public static readonly MetricFamily AcceptErrors = new("pluginserver.accept.errors", MetricKind.Counter, "{error}", "Accepts that failed.");
    public static readonly MetricFamily AcceptorRestarts = new("pluginserver.acceptor.restarts", MetricKind.Counter, "{restart}", "Acceptors that died and were replaced.");
    public static readonly MetricFamily HandlerFaults = new("pluginserver.handler.faults", MetricKind.Counter, "{fault}", "Exceptions that a handler let escape.");
    public static readonly MetricFamily Received = new("pluginserver.received", MetricKind.Counter, "By", "Bytes from clients.");
    public static readonly MetricFamily Sent = new("pluginserver.sent", MetricKind.Counter, "By", "Bytes to clients.");
    public static readonly MetricFamily Swaps = new("pluginserver.plugin.swaps", MetricKind.Counter, "{swap}", "Builds that were put in the place of others, or refused.");
    public static readonly MetricFamily LoadDuration = new("pluginserver.plugin.load.duration", MetricKind.Histogram, "s", "From the copy of a build to a generation that is ready to serve: load, container, services and warm-up.");
    public static readonly MetricFamily Generations = new("pluginserver.plugin.generations", MetricKind.Level, "{generation}", "Generations of a plugin in each state; of those that are gone, the last ones.");

    /// <summary>All that the host has; nothing is measured that is not here.</summary>
    public static readonly ImmutableArray<MetricFamily> All =
        [ActiveConnections, ConnectionDuration, Accepted, Rejected, AcceptErrors, AcceptorRestarts, HandlerFaults, Received, Sent, Swaps, LoadDuration, Generations];
}

/// <summary>How a metric moves.</summary>
internal enum MetricKind
{
    /// <summary>Only up.</summary>
    Counter,

    /// <summary>Up and down: an up-down counter.</summary>
    Level,

    /// <summary>A distribution.</summary>
    Histogram,
}

/// <summary>One series of a metric at one moment.</summary>
/// <param name="Tags">What tells it from the other series.</param>
/// <param name="Value">Of a counter or a level.</param>
/// <param name="Histogram">Of a histogram.</param>
internal sealed record MetricPoint(ImmutableArray<KeyValuePair<string, object?>> Tags, long Value, Durations? Histogram = null);
