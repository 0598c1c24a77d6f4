using System.Buffers;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace PluginServer.Benchmarks;

/// <summary>The peer: what a .NET team writes today, a ConnectionHandler on Kestrel.</summary>
internal sealed class KestrelEcho : ConnectionHandler
{
    /// <param name="port">Of 127.0.0.1.</param>
    /// <param name="files">The folder of its certificate and key; without it, plain TCP.</param>
    public static async Task<int> RunAsync(int port, string? files = null)
    {
        using var certificate = files is null ? null : ServerCertificateFiles.Load(files);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(options => options.Listen(IPAddress.Loopback, port, listen =>
        {
            if (certificate is not null)
            {
                listen.UseHttps(certificate);
            }

            listen.UseConnectionHandler<KestrelEcho>();
        }));
        await using var app = builder.Build();
        await app.StartAsync();
        Console.WriteLine("Serving");
        await app.WaitForShutdownAsync();
        return 0;
    }

    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        var (input, output) = (connection.Transport.Input, connection.Transport.Output);
        while (true)
        {
            var result = await input.ReadAsync();
            foreach (var segment in result.Buffer)
            {
                output.Write(segment.Span);
            }

            await output.FlushAsync();
            input.AdvanceTo(result.Buffer.End);
            if (result.IsCompleted)
            {
                return;
            }
        }
    }
}
