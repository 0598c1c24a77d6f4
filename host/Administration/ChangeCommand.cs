using Newtonsoft.Json.Linq;

namespace PluginServer.Administration;

/// <summary>Asks the running host for a change, waits, and prints what came of it.</summary>
internal static class ChangeCommand
{
    public static Task<int> ReloadAsync(CommandContext context, string file, CancellationToken cancellationToken) =>
        RunAsync(context, "/api/reload", file, cancellationToken);

    public static Task<int> RollbackAsync(CommandContext context, string file, string plugin, CancellationToken cancellationToken) =>
        RunAsync(context, $"/api/plugins/{Uri.EscapeDataString(plugin)}/rollback", file, cancellationToken);

    private static async Task<int> RunAsync(CommandContext context, string call, string file, CancellationToken cancellationToken)
    {
        ControlAnswer answer;
        try
        {
            answer = await ControlClient.SendAsync(HttpMethod.Post, call, file, cancellationToken);
        }
        catch (NoHostException problem)
        {
            return context.NoHost(problem);
        }

        if (answer is not { Status: 200 or 409, Json: { } json })
        {
            return context.Fail([$"the host answered {answer.Status} to {call}"]);
        }

        if (json["errors"] is JArray errors)
        {
            return context.Fail(errors.Select(AdminJson.ErrorLine));
        }

        var changes = (json["changes"] as JArray ?? []).Select(change => (string)change!).ToList();
        foreach (var change in changes.DefaultIfEmpty("nothing changed"))
        {
            context.Report.Line(change);
        }

        return 0;
    }
}
