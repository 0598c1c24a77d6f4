using System.CommandLine;
using PluginServer.Configuration;

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

        var watch = new Option<bool>("--watch", "-w") { Description = "Show it again every two seconds, until Ctrl-C; with --json one object a line." };
        var status = new Command("status", "Show what is wrong, and what the running host does. Exit 0, or 4 when no host answers.") { json, watch };
        status.SetAction((parsed, cancellation) => parsed.GetValue(watch)
            ? StatusCommand.WatchAsync(context, parsed.GetValue(config)!, parsed.GetValue(json), cancellation)
            : StatusCommand.RunAsync(context, parsed.GetValue(config)!, parsed.GetValue(json), cancellation));

        var reload = new Command("reload", "Have the running host apply the configuration and changed plugins now, and wait. Exit 0; 1: rejected, the old keeps running; 4: no host answers.") { json };
        reload.SetAction((parsed, cancellation) => ChangeCommand.ReloadAsync(context, parsed.GetValue(config)!, parsed.GetValue(json), cancellation));

        var rollback = new Command("rollback", "Have the running host go back to the build of a plugin that served before. Exit 0; 1: rejected; 4: no host answers.") { plugin, json };
        rollback.SetAction((parsed, cancellation) => ChangeCommand.RollbackAsync(context, parsed.GetValue(config)!, parsed.GetValue(plugin)!, parsed.GetValue(json), cancellation));

        var endpoint = new Argument<string>("ENDPOINT") { Description = "The endpoint's name, as status shows it." };
        var timeout = new Option<TimeSpan?>("--timeout") { Description = "How long those inside may take before they are cut, like 00:00:30; the default is shutdownTimeout of the configuration." };
        timeout.Validators.Add(static result =>
        {
            if (result.Tokens is [var token] && ConfigValue.Time(token.Value) is null)
            {
                result.AddError($"--timeout is \"{token.Value}\"; it must be a time from 00:00:00 to {ConfigKey.LongestDuration}, like 00:00:30");
            }
        });
        timeout.CustomParser = static result => ConfigValue.Time(result.Tokens[0].Value);
        var pause = new Command("pause", "Have an endpoint stop accepting: its socket stays open, and clients wait in the backlog. Exit 0; 1: there is no such endpoint; 4: no host answers.") { endpoint, json };
        pause.SetAction((parsed, cancellation) => ChangeCommand.SwitchAsync(context, parsed.GetValue(config)!, "pause", parsed.GetValue(endpoint)!, parsed.GetValue(json), cancellation));

        var resume = new Command("resume", "Have an endpoint accept again after a pause or a drain. Exit 0; 1: there is no such endpoint; 4: no host answers.") { endpoint, json };
        resume.SetAction((parsed, cancellation) => ChangeCommand.SwitchAsync(context, parsed.GetValue(config)!, "resume", parsed.GetValue(endpoint)!, parsed.GetValue(json), cancellation));

        var drain = new Command("drain", "Have an endpoint stop accepting and its handlers finish, cut what is left at the timeout, and say what became of them. Exit 0; 3: some were cut; 1: there is no such endpoint, or somebody resumed it meanwhile; 4: no host answers.") { endpoint, timeout, json };
        drain.SetAction((parsed, cancellation) => DrainCommand.RunAsync(context, parsed.GetValue(config)!, parsed.GetValue(endpoint)!, parsed.GetValue(timeout), parsed.GetValue(json), cancellation));

        var name = new Argument<string>("NAME") { Description = "The plugin's name, a C# namespace like Shout or Acme.Shout." };
        var output = new Option<string>("--output", "-o") { Description = "Where to make it; by default a folder of that name here." };
        var packages = new Option<string>("--packages") { Description = "The folder that the PluginServer packages were packed into, as a package source of the new plugin." };
        var create = new Command("new", "Make a new plugin and its test project. Exit 0, or 1 with the reason.") { name, output, packages };
        create.SetAction((parsed, _) => Task.FromResult(NewCommand.Run(context, parsed.GetValue(name)!, parsed.GetValue(output), parsed.GetValue(packages))));

        root.Subcommands.Add(run);
        root.Subcommands.Add(check);
        root.Subcommands.Add(explain);
        root.Subcommands.Add(status);
        root.Subcommands.Add(reload);
        root.Subcommands.Add(rollback);
        root.Subcommands.Add(pause);
        root.Subcommands.Add(resume);
        root.Subcommands.Add(drain);
        root.Subcommands.Add(create);
        return root;
    }
}
