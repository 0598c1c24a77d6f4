using Newtonsoft.Json.Linq;

namespace PluginServer.Administration;

/// <summary>A verb that the running host is asked to do: one call, and what its answer means for the terminal and the exit code.</summary>
internal static class RemoteVerb
{
    /// <summary>Asks, and waits for the answer.</summary>
    /// <param name="context">Where to write.</param>
    /// <param name="file">The configuration of the host that is meant.</param>
    /// <param name="method">Of the call.</param>
    /// <param name="call">Path and query.</param>
    /// <param name="json">Whether the answer is printed as it came, for a program; what is wrong included.</param>
    /// <param name="print">Prints an answer of 200 for a person, and says the exit code.</param>
    /// <param name="cancellationToken">Gives up waiting; what was asked for may happen all the same.</param>
    /// <param name="meanwhile">What to do until the answer is there, which it is given, and which is printed after it.</param>
    public static async Task<int> RunAsync(CommandContext context, string file, HttpMethod method, string call, bool json, Func<Report, JObject, int> print, CancellationToken cancellationToken, Func<Task, Task>? meanwhile = null)
    {
        try
        {
            var asking = ControlClient.SendAsync(method, call, file, cancellationToken);
            await (meanwhile?.Invoke(asking) ?? Task.CompletedTask);
            return Answer(context, call, json, print, await asking);
        }
        catch (NoHostException problem)
        {
            return context.NoHost(problem);
        }
    }

    private static int Answer(CommandContext context, string call, bool json, Func<Report, JObject, int> print, ControlAnswer answer)
    {
        if (answer is not { Status: 200 or 400 or 404 or 409, Json: { } body })
        {
            return context.Fail([$"the host answered {answer.Status} to {call}"]);
        }

        if (json)
        {
            context.Output.Write(answer.Text);
        }

        if (answer.Status == 200)
        {
            return print(json ? context.Silent : context.Report, body);
        }

        var errors = body["errors"] is JArray list ? list.Select(AdminJson.ErrorLine) : [$"{body["error"]}"];
        return json ? 1 : context.Fail(errors);
    }
}
