using Microsoft.Extensions.Logging;

namespace PluginServer.Plugins;

/// <summary>Hands a plugin's log entries to the host's log as text, so that nothing of the plugin's outlives the call.</summary>
internal sealed class PluginLoggerProvider(ILoggerFactory host) : ILoggerProvider
{
    public ILogger CreateLogger(string categoryName) => new Forwarder(host.CreateLogger(categoryName));

    public void Dispose()
    {
        // The host's factory is the host's.
    }

    private sealed class Forwarder(ILogger host) : ILogger
    {
        // Scopes stay with the plugin's own factory: a scope's state may be any object of the plugin's.
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => host.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!host.IsEnabled(logLevel))
            {
                return;
            }

            var message = formatter(state, exception);
            var text = exception is null ? message : $"{message}{Environment.NewLine}{exception}";
            var values = (state as IEnumerable<KeyValuePair<string, object?>>)?
                .Select(pair => KeyValuePair.Create<string, object?>(pair.Key, Convert.ToString(pair.Value, System.Globalization.CultureInfo.InvariantCulture)))
                .ToArray() ?? [];
            host.Log(logLevel, new EventId(eventId.Id, eventId.Name), values, null, (_, _) => text);
        }
    }
}
