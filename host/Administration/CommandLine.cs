using System.CommandLine;

namespace PluginServer.Administration;

/// <summary>The command line: which verb, with what.</summary>
internal static class CommandLine
{
    /// <summary>Exit code of a usage error.</summary>
    public const int Usage = 2;

    /// <summary>Exit code of a verb that no host answers.</summary>
    public const int NoHost = 4;

    public static async Task<int> InvokeAsync(string[] arguments, CommandContext context)
    {
        var root = Create(context);
        var parsed = root.Parse(arguments);
        if (parsed.Errors.Count == 0)
        {
            // Signals are the server's own: a stop drains, and takes the time it takes.
            return await parsed.InvokeAsync(new InvocationConfiguration { Output = context.Output, Error = context.Error, ProcessTerminationTimeout = null });
        }

        foreach (var error in parsed.Errors)
        {
            await context.Error.WriteLineAsync(error.Message);
        }

        await context.Error.WriteLineAsync();
        var command = parsed.CommandResult.Command;
        string[] help = command == root ? ["--help"] : [command.Name, "--help"];
        await root.Parse(help).InvokeAsync(new InvocationConfiguration { Output = context.Error, Error = context.Error });
        return Usage;
    }

    private static RootCommand Create(CommandContext context)
    {
        var config = new Option<string>("--config", "-c") { Description = "The configuration file.", DefaultValueFactory = _ => "plugins.json", Recursive = true };
        var format = new Option<LogFormat>("--log-format") { Description = "How log lines are written to standard output.", DefaultValueFactory = _ => LogFormat.Text };
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        var plugin = new Argument<string>("PLUGIN") { Description = "The plugin's name: its folder below pluginDirectory." };

        var root = new RootCommand("Serves every endpoint of plugins.json with a handler from a plugin.") { config, format };
        root.SetAction((parsed, _) => RunCommand.RunAsync(context, parsed.GetValue(config)!, parsed.GetValue(format)));

        var run = new Command("run", "Serve until SIGTERM or Ctrl-C, then drain; a second Ctrl-C cuts. Exit 0: stopped clean; 1: could not start; 3: connections were cut. The default command.") { format };
        run.SetAction((parsed, _) => RunCommand.RunAsync(context, parsed.GetValue(config)!, parsed.GetValue(format)));

        var check = new Command("check", "Check the configuration and its plugins without serving: starts no service, opens no port. Exit 0, or 1 with every error.") { json };
        check.SetAction((parsed, _) => Task.FromResult(CheckCommand.Run(context, parsed.GetValue(config)!, parsed.GetValue(json))));

        var explain = new Command("explain", "Show where each assembly of a plugin comes from, and what of its folder is ignored.") { plugin };
        explain.SetAction((parsed, _) => Task.FromResult(ExplainCommand.Run(context, parsed.GetValue(config)!, parsed.GetValue(plugin)!)));

        var status = new Command("status", "Show what the running host does. Exit 0, or 4 when no host answers.") { json };
        status.SetAction((parsed, cancellation) => StatusCommand.RunAsync(context, parsed.GetValue(config)!, parsed.GetValue(json), cancellation));

        var reload = new Command("reload", "Have the running host apply the configuration and changed plugins now, and wait. Exit 0; 1: rejected, the old keeps running; 4: no host answers.");
        reload.SetAction((parsed, cancellation) => ChangeCommand.ReloadAsync(context, parsed.GetValue(config)!, cancellation));

        var rollback = new Command("rollback", "Have the running host go back to the build of a plugin that served before. Exit 0; 1: rejected; 4: no host answers.") { plugin };
        rollback.SetAction((parsed, cancellation) => ChangeCommand.RollbackAsync(context, parsed.GetValue(config)!, parsed.GetValue(plugin)!, cancellation));

        root.Subcommands.Add(run);
        root.Subcommands.Add(check);
        root.Subcommands.Add(explain);
        root.Subcommands.Add(status);
        root.Subcommands.Add(reload);
        root.Subcommands.Add(rollback);
        return root;
    }
}
