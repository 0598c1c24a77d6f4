using System.Globalization;
using Microsoft.Extensions.Logging;

namespace PluginServer.Plugins;

/// <summary>Hands a plugin's log entries to the host's log as text, so that nothing of the plugin's outlives the call, with what they are about.</summary>
internal sealed class PluginLoggerProvider(ILoggerFactory host, string plugin, int generation, LogLevel level) : ILoggerProvider
{
    private volatile LogLevel _level = level;
    private volatile bool _isUsed;

    /// <summary>The least severe entries that are written. May change at any time.</summary>
    public LogLevel Level
    {
        get => _level;
        set => _level = value;
    }

    /// <summary>Whether the plugin has ever asked for a logger.</summary>
    public bool IsUsed => _isUsed;

    public ILogger CreateLogger(string categoryName)
    {
        _isUsed = true;
        return new Forwarder(this, host.CreateLogger(categoryName));
    }

    public void Dispose()
    {
        // The host's factory is the host's.
    }

    private void Write<TState>(ILogger log, LogLevel severity, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        var message = formatter(state, exception);
        var text = exception is null ? message : $"{message}{Environment.NewLine}{exception}";
        var values = (state as IEnumerable<KeyValuePair<string, object?>>)?
            .Select(pair => KeyValuePair.Create<string, object?>(pair.Key, Convert.ToString(pair.Value, CultureInfo.InvariantCulture)))
            .ToArray() ?? [];
        using (log.BeginScope(LogScope.Of(plugin, generation)))
        {
            log.Log(severity, new EventId(eventId.Id, eventId.Name), values, null, (_, _) => text);
        }
    }

    private sealed class Forwarder(PluginLoggerProvider home, ILogger log) : ILogger
    {
        // Scopes stay with the plugin's own factory: a scope's state may be any object of the plugin's.
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= home._level && log.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                home.Write(log, logLevel, eventId, state, exception, formatter);
            }
        }
    }
}
