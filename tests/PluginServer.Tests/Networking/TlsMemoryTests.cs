using PluginServer.Tests.Support;

namespace PluginServer.Tests.Networking;

/// <summary>What encryption costs in managed memory, at work and at rest.</summary>
[NonParallelizable]
[TestFixtureSource(typeof(TransportFactory), nameof(TransportFactory.Encrypted))]
public sealed class TlsMemoryTests(TransportFactory factory) : TransportTests(factory)
{
    [Test]
    public async Task An_echo_in_steady_state_allocates_next_to_nothing()
    {
        const int Echoes = 2000;
        var link = await OpenAsync();
        var (least, last) = (long.MaxValue, (Thread: 0, Bytes: 0L));
        var serving = link.ServeAsync(async connection =>
        {
            while (true)
            {
                var result = await connection.Input.ReadAsync();
                var now = (Thread: Environment.CurrentManagedThreadId, Bytes: GC.GetAllocatedBytesForCurrentThread());
                if (now.Thread == last.Thread)
                {
                    least = Math.Min(least, now.Bytes - last.Bytes);
                }

                if (result.IsCompleted)
                {
                    return;
                }

                last = now;
                await connection.Output.WriteAsync(result.Buffer.First);
                connection.Input.AdvanceTo(result.Buffer.End);
            }
        });
        var client = Task.Factory.StartNew(() => EchoOnThisThread(link, Echoes), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await client.Within();
        await link.ResetAsync();
        await serving.Within();
        TestContext.Out.WriteLine($"{least} bytes per echo");
        Assert.That(least, Is.LessThan(200));
    }

    /// <summary>What comes back is not decrypted: that would go on on any thread, the handler's among them, and be counted there.</summary>
    private static void EchoOnThisThread(Link link, int echoes)
    {
        var (message, encrypted, received) = (new byte[16 * 1024], new byte[64 * 1024], 0L);
        for (var turn = 1L; turn <= echoes; turn++)
        {
            link.SendAsync(message).GetAwaiter().GetResult();
            while (received < turn * message.Length)
            {
                var count = link.Client.Receive(encrypted);
                Assert.That(count, Is.Positive);
                received += count;
            }
        }
    }

    /// <summary>SslStream reads into 32 KiB; both sides together take less where neither holds them.</summary>
    [Test]
    public async Task An_idle_connection_holds_no_buffer()
    {
        const int Idle = 50;
        await OpenIdleAsync();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var count = 0; count < Idle; count++)
        {
            await OpenIdleAsync();
        }

        var each = (GC.GetTotalMemory(forceFullCollection: true) - before) / Idle;
        TestContext.Out.WriteLine($"{each} bytes per connection, the client's side included");
        Assert.That(each, Is.LessThan(24 * 1024));
        Assert.That(Rented(), Is.Zero);
    }

    private async Task OpenIdleAsync()
    {
        var link = await OpenAsync();
        _ = link.ServeAsync(EchoAsync);
        await link.SendAsync(new byte[16 * 1024]);
        await link.ReceiveAsync(16 * 1024);
    }
}
