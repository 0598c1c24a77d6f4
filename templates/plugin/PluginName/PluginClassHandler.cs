using PluginServer;

namespace PluginNamespace;

/// <summary>Greets, and answers each line with its number, until the client says bye.</summary>
public sealed class PluginClassHandler() : MessageHandler<string>(Lines), ICodeChange
{
    private const string CountKey = "lines";
    private static readonly LineProtocol Lines = new(maximumLength: 1024);

    /// <summary>What a connection needs after a swap lies in its state: fields stay behind with the build that made them.</summary>
    public ValueTask OnCodeChangeAsync(string fromVersion) => ValueTask.CompletedTask;

    /// <inheritdoc/>
    protected override ValueTask OnConnectedAsync() => SendAsync("welcome to PluginName");

    /// <inheritdoc/>
    protected override ValueTask OnMessageAsync(string message)
    {
        if (message == "bye")
        {
            Finish();
            return SendAsync("bye");
        }

        var count = Connection.State.AddOrUpdate(CountKey, 1, static before => before + 1);
        return SendAsync($"{count}: {message}");
    }
}
