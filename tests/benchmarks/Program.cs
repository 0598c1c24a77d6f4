using System.Globalization;
using BenchmarkDotNet.Running;
using PluginServer.Benchmarks;

const string Usage = """
    usage: dotnet run -c Release --project tests/benchmarks -- VERB
      micro [BenchmarkDotNet's options]   what one connection, read and write cost in this process, allocations shown
      compare [ROUNDS] [SECONDS]          the host and a Kestrel ConnectionHandler under the same load, in turn; prints the table (default 5 rounds of 2 s)
      compare-tls [ROUNDS] [SECONDS]      the same over TLS, Kestrel with UseHttps and the same certificate (default 5 rounds of 5 s)
      soak [MINUTES]                      echoes, churn, resets and swaps together; exit code 1 when anything was wrong or grew (default 15)
    """;

return args switch
{
    ["micro", .. var rest] => Micro(rest),
    ["compare", .. var rest] when rest.Length <= 2 => await Comparison.RunAsync(Number(rest, 0, 5), TimeSpan.FromSeconds(Number(rest, 1, 2))),
    ["compare-tls", .. var rest] when rest.Length <= 2 => await Comparison.RunEncryptedAsync(Number(rest, 0, 5), TimeSpan.FromSeconds(Number(rest, 1, 5))),
    ["soak", .. var rest] when rest.Length <= 1 => await Soak.RunAsync(TimeSpan.FromMinutes(Number(rest, 0, 15))),

    // What those start as processes of their own.
    ["kestrel", var port] => await KestrelEcho.RunAsync(int.Parse(port, CultureInfo.InvariantCulture)),
    ["kestrel", var port, var files] => await KestrelEcho.RunAsync(int.Parse(port, CultureInfo.InvariantCulture), files),
    ["load", var scenario, var port, var seconds] => await LoadGenerator.PrintAsync(scenario, int.Parse(port, CultureInfo.InvariantCulture), TimeSpan.FromSeconds(double.Parse(seconds, CultureInfo.InvariantCulture))),
    _ => Refuse(),
};

static int Micro(string[] arguments)
{
    BenchmarkSwitcher.FromAssembly(typeof(Comparison).Assembly).Run(arguments.Length == 0 ? ["--filter", "*"] : arguments);
    return 0;
}

static int Number(string[] arguments, int index, int otherwise) => arguments.Length > index ? int.Parse(arguments[index], CultureInfo.InvariantCulture) : otherwise;

static int Refuse()
{
    Console.Error.WriteLine(Usage);
    return 2;
}
