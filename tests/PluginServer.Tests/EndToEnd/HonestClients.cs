using System.Net.Sockets;

namespace PluginServer.Tests.EndToEnd;

/// <summary>The clients to whom nothing may happen: whoever was answered once is answered right until he leaves, and whoever comes is
/// answered in the end.</summary>
/// <remarks>Before the first answer a connection may be lost, with an accept that failed or a listening socket that was opened anew: it was
/// never let in then, and comes again.</remarks>
internal sealed class HonestClients(ChaosSite site, Random random, ChaosTally tally)
{
    private const string Let = "let in ";

    /// <summary>How many were answered on an endpoint: it must have accepted just as many.</summary>
    public static string LetIn(string endpoint) => Let + endpoint;

    /// <summary>One connection from now to the end.</summary>
    public async Task LiveAsync(string endpoint, CancellationToken stop)
    {
        using var connection = await ComeAsync(endpoint);
        while (!stop.IsCancellationRequested)
        {
            await RoundAsync(connection);
            await random.PauseAsync(20, stop);
        }

        await RoundAsync(connection);
        await connection.LeaveAsync();
    }

    /// <summary>One after the other, each for a while, so that every generation has somebody.</summary>
    public async Task StayAsync(int atMostRounds, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            await VisitAsync(random.Pick(ChaosSite.Honest), random.Next(atMostRounds), stop);
        }
    }

    /// <summary>One connection with some rounds; says which version answered.</summary>
    public async Task<string> VisitAsync(string endpoint, int rounds = 0, CancellationToken stop = default)
    {
        using var connection = await ComeAsync(endpoint);
        for (var round = 0; round < rounds && !stop.IsCancellationRequested; round++)
        {
            await RoundAsync(connection);
            await random.PauseAsync(20, stop);
        }

        await connection.LeaveAsync();
        return connection.Version!;
    }

    private async Task RoundAsync(HonestConnection connection)
    {
        try
        {
            await connection.RoundAsync();
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"an honest client hangs: {connection}; {string.Join("; ", ChaosSite.Honest.Select(site.Describe))}");
        }

        tally.Count("honest round trips");
    }

    private async Task<HonestConnection> ComeAsync(string endpoint)
    {
        while (true)
        {
            HonestConnection? connection = null;
            try
            {
                connection = await HonestConnection.ConnectAsync(site.Address(endpoint), endpoint, random);
                await RoundAsync(connection);
                tally.Count(LetIn(endpoint));
                return connection;
            }
            catch (Exception error) when (error is SocketException or EndOfStreamException && connection?.Version is null)
            {
                connection?.Dispose();
                tally.Count("honest comings again");
                await random.PauseAsync(10, CancellationToken.None);
            }
        }
    }
}
