namespace PluginServer.Plugins.Echo;

/// <summary>Sends back what it receives (RFC 862), until the peer has sent FIN.</summary>
public sealed class EchoHandler : IConnectionHandler
{
    /// <inheritdoc/>
    public async Task HandleAsync(Connection connection, CancellationToken draining)
    {
        while (true)
        {
            var result = await connection.Input.ReadAsync(draining);
            for (var position = result.Buffer.Start; result.Buffer.TryGet(ref position, out var segment);)
            {
                await connection.Output.WriteAsync(segment, CancellationToken.None);
            }

            connection.Input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                return;
            }
        }
    }
}
