using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace PluginServer.Tests.Support;

/// <summary><c>openssl s_client</c>: what the server sends comes out of it, and what it has to say itself is kept apart.</summary>
internal sealed class OpensslClient : IDisposable
{
    private readonly Process _process;
    private readonly Task<string> _said;

    private OpensslClient(Process process)
    {
        _process = process;
        _said = process.StandardError.ReadToEndAsync(Deadline.Token);
    }

    /// <summary>It stays connected until <see cref="LeaveAsync"/>, or the server ends it.</summary>
    public static OpensslClient Start(EndPoint server, params string[] arguments)
    {
        string[] where = server is UnixDomainSocketEndPoint ? ["-unix", server.ToString()!] : ["-connect", server.ToString()!];
        return new OpensslClient(Process.Start(new ProcessStartInfo("openssl", ["s_client", .. where, "-brief", "-nocommands", .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!);
    }

    /// <summary>A line of the server's.</summary>
    public async Task<string> ReadLineAsync() =>
        await _process.StandardOutput.ReadLineAsync(Deadline.Token) is { } line ? line : throw new EndOfStreamException($"openssl has ended: {await _said}");

    /// <summary>Sends, and reads as much of the server's in the meantime.</summary>
    /// <param name="text">ASCII.</param>
    public async Task<string> ExchangeAsync(string text)
    {
        var sending = SendAsync(text);
        var answer = new char[text.Length];
        var count = await _process.StandardOutput.ReadBlockAsync(answer, Deadline.Token);
        await sending;
        return new string(answer, 0, count);
    }

    /// <summary>Closes the connection in order: the exit code, and what openssl has said.</summary>
    public Task<(int Code, string Said)> LeaveAsync()
    {
        _process.StandardInput.Close();
        return EndAsync();
    }

    /// <summary>Waits until the server has ended it.</summary>
    public async Task<(int Code, string Said)> EndAsync()
    {
        await _process.WaitForExitAsync(Deadline.Token);
        return (_process.ExitCode, await _said);
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private async Task SendAsync(string text)
    {
        await _process.StandardInput.WriteAsync(text.AsMemory(), Deadline.Token);
        await _process.StandardInput.FlushAsync(Deadline.Token);
    }
}
