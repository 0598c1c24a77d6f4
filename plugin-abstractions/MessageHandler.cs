using System.Diagnostics.CodeAnalysis;
using System.IO.Pipelines;

namespace PluginServer;

/// <summary>A handler that is called for each message, in the manner of Erlang's <c>gen_server</c>; the host has the loop that reads and flushes.</summary>
/// <remarks>
/// <para>Its methods are called one after the other, never two at a time, each after what the one before returned has ended. So fields need no
/// lock. <see cref="Connection.Input"/> is the loop's alone; <see cref="Connection.Output"/> may be written to inside of these methods, and what
/// they wrote is flushed when the messages that have arrived together are dealt with.</para>
/// <para>An exception in one of them is a handler fault, as described at <see cref="IConnectionHandler.HandleAsync"/>.</para>
/// <para>With <see cref="ICodeChange"/> beside it, a swap moves its connections to the new build. The endpoint's <c>messageTimeout</c> and
/// <c>minimumRate</c> limit how long a peer may take for one message.</para>
/// </remarks>
/// <typeparam name="TMessage">What <paramref name="protocol"/> reads.</typeparam>
/// <param name="protocol">How messages lie in the stream; it may be shared by all connections.</param>
public abstract class MessageHandler<TMessage>(IProtocol<TMessage> protocol) : IConnectionHandler, IMessageLoop
{
    private const int FlushThreshold = 64 * 1024;
    private Connection? _connection;
    private bool _welcomed;
    private bool _finished;
    private bool _toldToDrain;
    private bool _hasLeft;
    private volatile bool _within;
    private long _messages;

    /// <summary>The connection that this handler serves, and no other.</summary>
    /// <exception cref="InvalidOperationException">There is none yet: in the constructor.</exception>
    protected Connection Connection => _connection ?? throw new InvalidOperationException("There is no connection yet: it comes with OnConnectedAsync.");

    /// <summary>How messages lie in the stream.</summary>
    protected IProtocol<TMessage> Protocol { get; } = protocol ?? throw new ArgumentNullException(nameof(protocol));

    bool IMessageLoop.HasLeft => _hasLeft;

    bool IMessageLoop.IsWithin => _within;

    long IMessageLoop.Messages => Volatile.Read(ref _messages);

    Task IConnectionHandler.HandleAsync(Connection connection, CancellationToken draining)
    {
        (_connection, _hasLeft) = (connection, false);
        return RunAsync(connection, draining);
    }

    ValueTask IMessageLoop.TakeOverAsync(Connection connection, string fromVersion)
    {
        (_connection, _welcomed) = (connection, true);
        return this is ICodeChange change ? change.OnCodeChangeAsync(fromVersion) : throw new InvalidOperationException($"{GetType()} takes over no connection.");
    }

    /// <summary>The connection has come; nothing has been read. What is written here is sent at once.</summary>
    /// <returns>A task that ends when messages may be read.</returns>
    protected virtual ValueTask OnConnectedAsync() => default;

    /// <summary>A message has come.</summary>
    /// <param name="message">The message. What it refers to of the received bytes is valid until the returned task has ended.</param>
    /// <returns>A task that ends when the message is dealt with and the next one may come.</returns>
    protected abstract ValueTask OnMessageAsync(TMessage message);

    /// <summary>The handler is asked to finish, once, between two messages: the endpoint is removed, drained or stopped. By default it does so at once.</summary>
    /// <remarks>Without <see cref="Finish"/> it goes on, and the connection is cut when the time that was granted is over.</remarks>
    /// <returns>A task that ends when the handler is ready to go on.</returns>
    protected virtual ValueTask OnDrainingAsync()
    {
        Finish();
        return default;
    }

    /// <summary>What the peer has sent is no message. By default the connection is aborted with the reason; what was written before is still flushed.</summary>
    /// <remarks>Whoever overrides it may write an answer: it is flushed, and the connection then ends in order.</remarks>
    /// <param name="exception">What is wrong with it.</param>
    /// <returns>A task that ends when the connection may end.</returns>
    protected virtual ValueTask OnInvalidMessageAsync(InvalidMessageException exception)
    {
        ArgumentNullException.ThrowIfNull(exception);
        Connection.Abort(exception.Message);
        return default;
    }

    /// <summary>The last call: the peer has sent FIN and all its messages are dealt with, <see cref="Finish"/> was called, or something failed. Not called on a
    /// handler whose connection moves to another build.</summary>
    /// <param name="exception">Null in the first two cases. Otherwise a <see cref="ConnectionClosedException"/> when the connection was reset, aborted, timed out or
    /// cut, an <see cref="InvalidMessageException"/> when the peer sent something else than messages or left in the middle of one, or what a method of this handler threw.</param>
    /// <returns>A task that ends when the handler has finished with the connection. What was written is flushed then, if it is still open.</returns>
    protected virtual ValueTask OnDisconnectedAsync(Exception? exception) => default;

    /// <summary>Writes a message, and waits only when more than 64 KiB have been written since the last flush.</summary>
    /// <param name="message">The message; all of it is written when the call returns.</param>
    /// <returns>A task that ends when the handler may go on: a slow peer holds it back.</returns>
    /// <exception cref="ArgumentException">The protocol cannot write it.</exception>
    /// <exception cref="ConnectionClosedException">The connection has ended.</exception>
    protected ValueTask SendAsync(TMessage message)
    {
        var output = Connection.Output;
        Protocol.Write(message, output);
        return output.CanGetUnflushedBytes && output.UnflushedBytes < FlushThreshold ? default : FlushAsync(output);
    }

    /// <summary>Ends the connection in order when the method that calls it has ended: what was written is flushed and FIN sent; messages that wait are not read.</summary>
    protected void Finish() => _finished = true;

    [SuppressMessage("Reliability", "CA2012", Justification = "The task is awaited at once.")]
    private static ValueTask FlushAsync(PipeWriter output)
    {
        var flush = output.FlushAsync();
        return flush.IsCompletedSuccessfully ? default : WaitAsync(flush);

        static async ValueTask WaitAsync(ValueTask<FlushResult> flush) => await flush;
    }

    // One method, and no deeper: each that waits costs memory for every connection that does.
    private async Task RunAsync(Connection connection, CancellationToken draining)
    {
        var (input, output) = (connection.Input, connection.Output);
        Exception? ended = null;
        try
        {
            if (!_welcomed)
            {
                _welcomed = true;
                await OnConnectedAsync();
                await FlushAsync(output);
            }

            while (!_finished && ended is null)
            {
                ReadResult result;
                try
                {
                    result = await input.ReadAsync(_toldToDrain ? CancellationToken.None : draining);
                }
                catch (OperationCanceledException) when (!_toldToDrain && draining.IsCancellationRequested)
                {
                    _toldToDrain = true;
                    await OnDrainingAsync();
                    await FlushAsync(output);
                    continue;
                }

                var buffer = result.Buffer;
                while (!_finished && !connection.IsMoving)
                {
                    TMessage? message;
                    try
                    {
                        if (!Protocol.TryRead(ref buffer, out message))
                        {
                            break;
                        }
                    }
                    catch (InvalidMessageException error)
                    {
                        await FlushAsync(output);
                        await OnInvalidMessageAsync(error);
                        ended = error;
                        break;
                    }

                    _within = false;
                    Volatile.Write(ref _messages, _messages + 1);
                    await OnMessageAsync(message);
                }

                if (ended is null && !_finished && connection.IsMoving)
                {
                    // Not even examined: who comes next reads it at once.
                    input.AdvanceTo(buffer.Start);
                    await FlushAsync(output);
                    _hasLeft = true;
                    return;
                }

                if (result.IsCompleted && ended is null && !_finished)
                {
                    ended = buffer.IsEmpty ? null : new InvalidMessageException("the peer has left in the middle of a message");
                    _finished = true;
                }

                _within = !buffer.IsEmpty;
                input.AdvanceTo(buffer.Start, buffer.End);
                await FlushAsync(output);
            }
        }
        catch (Exception error)
        {
            await TellEndAsync(ended ?? error);
            throw;
        }

        await OnDisconnectedAsync(ended);
    }

    private async ValueTask TellEndAsync(Exception error)
    {
        try
        {
            await OnDisconnectedAsync(error);
        }
        catch (Exception second) when (second is not ConnectionClosedException)
        {
            throw new AggregateException(error, second);
        }
    }
}
