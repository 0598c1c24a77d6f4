using Microsoft.Extensions.Logging;

namespace PluginServer.Diagnostics;

/// <summary>Where the host says what happens: its log, its events and its instruments.</summary>
/// <param name="Log">Of the host's own category.</param>
/// <param name="Storms">Whether a line, or an event, may be written now.</param>
/// <param name="Events">What operators follow.</param>
/// <param name="Instruments">What is measured when it happens; everything else is read from counters when somebody asks. Null where nobody is to know.</param>
internal sealed record Telemetry(ILogger Log, StormLog Storms, EventStream Events, Instruments? Instruments);
