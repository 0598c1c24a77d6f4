using Microsoft.Playwright;
using PluginServer.Plugins;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>What an operator sees and does in a browser.</summary>
internal sealed class DashboardTests
{
    /// <summary>Where the pictures of the documentation go; by default nowhere.</summary>
    private static readonly string? Pictures = Environment.GetEnvironmentVariable("PLUGINSERVER_PICTURES");

    [SetUp]
    public async Task SkipWithoutBrowserAsync()
    {
        if (await DashboardSite.MissingAsync() is { } missing)
        {
            Assert.Ignore(missing);
        }
    }

    [Test]
    public async Task Connections_come_and_go_and_a_swap_and_a_rollback_are_a_click_each()
    {
        var workspace = new Workspace().With("Swap", "Echo").Version("one").Configure("""
            [ { "name": "shop", "address": "127.0.0.1", "port": 0, "plugin": "Swap", "handler": "VersionHandler" },
              { "name": "echo", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]
            """);
        await using var site = await DashboardSite.StartAsync(workspace);
        var page = site.Page;
        await page.GotoAsync(site.Address);
        await page.Locator("#endpoints [data-endpoint=shop] [data-state=listening]").First.WaitForAsync();
        await page.GetByText("Nothing is wrong").First.WaitForAsync();
        await page.Locator("#connections").ScrollIntoViewIfNeededAsync();
        Assert.That(await page.Locator("[data-connection]").CountAsync(), Is.Zero);

        using (var visitor = await site.Server.ConnectAsync("shop"))
        {
            await SayAsync(visitor, "one");
            await page.Locator("[data-connection='1']").WaitForAsync();
            visitor.SendFin();
            await visitor.ReadToEndAsync();
        }

        await page.Locator("[data-connection='1']").WaitForAsync(new LocatorWaitForOptions { State = WaitForSelectorState.Detached });
        using var stays = await site.Server.ConnectAsync("shop");
        await SayAsync(stays, "one");

        workspace.Version("two");
        await page.ClickAsync("#plugins [data-action=reload]");
        await site.ConfirmAsync("generation 1 -> 2");
        await page.Locator("[data-plugin=Swap][data-generation='2'] [data-state=active]").First.WaitForAsync();
        await page.Locator("[data-plugin=Swap][data-generation='1'] [data-state=draining]").First.WaitForAsync();
        using var fresh = await site.Server.ConnectAsync("shop");
        await SayAsync(fresh, "two");
        await SayAsync(stays, "one");
        await TakePicturesAsync(page, workspace.Root);

        await page.ClickAsync("[data-plugin=Swap] [data-action=rollback]");
        await site.ConfirmAsync("generation 2 -> 3");
        await page.Locator("[data-plugin=Swap][data-generation='3'] [data-state=active]").First.WaitForAsync();
        using var after = await site.Server.ConnectAsync("shop");
        await SayAsync(after, "one");
        await page.Locator("#events [data-event]").Filter(new LocatorFilterOptions { HasText = "generation 2 -> 3" }).First.WaitForAsync();
        stays.SendFin();
        await page.Locator("[data-plugin=Swap][data-generation='1'] [data-state=unloaded]").First.WaitForAsync();
        Assert.That(site.Server.Server.Generations.Single(generation => generation.Number == 1 && generation.Build.Name == "Swap").State, Is.EqualTo(GenerationState.Unloaded));
        Assert.That(site.Complaints, Is.Empty);
    }

    [Test]
    public async Task An_endpoint_is_paused_resumed_and_drained_and_a_connection_cut_after_a_question_each()
    {
        await using var site = await DashboardSite.StartAsync(new Workspace().With("Echo").Configure("""[ { "name": "echo", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]"""));
        var page = site.Page;
        await page.GotoAsync(site.Address);
        using var cut = await site.Server.ConnectAsync("echo");
        using var drained = await site.Server.ConnectAsync("echo");
        await page.ClickAsync("[data-endpoint=echo] [data-action=pause]");
        await page.FillAsync("#change-token", "wrong");
        await page.ClickAsync("#change-confirm");
        await page.Locator("dialog#change").GetByText("token", new LocatorGetByTextOptions { Exact = false }).First.WaitForAsync();
        Assert.That(site.Server.Server.Running[0].State.ToString(), Is.EqualTo("Listening"), "a wrong token does nothing");
        await site.ConfirmAsync("paused");
        await page.Locator("#endpoints [data-endpoint=echo] [data-state=paused]").First.WaitForAsync();
        await page.Locator("#problems").GetByText("clients wait in the backlog").First.WaitForAsync();
        await page.ClickAsync("[data-endpoint=echo] [data-action=resume]");
        await site.ConfirmAsync("listening");
        await page.Locator("#endpoints [data-endpoint=echo] [data-state=listening]").First.WaitForAsync();

        await page.Locator("#connections").ScrollIntoViewIfNeededAsync();
        await page.ClickAsync("[data-connection='1'] [data-action=cut]");
        await page.ClickAsync("#change-cancel");
        Assert.That(site.Server.Endpoint("echo").Connections.Count, Is.EqualTo(2), "whoever asked has thought better of it");
        await page.ClickAsync("[data-connection='1'] [data-action=cut]");
        await site.ConfirmAsync("1");
        Assert.That(await cut.EndsInResetAsync(), Is.True);
        await page.Locator("[data-connection='1']").WaitForAsync(new LocatorWaitForOptions { State = WaitForSelectorState.Detached });

        await page.ClickAsync("[data-endpoint=echo] [data-action=drain]");
        await page.FillAsync("#change-timeout", "20");
        await site.ConfirmAsync("1 finished");
        Assert.That(await drained.ReadTextToEndAsync(), Is.Empty, "the handler was asked to finish");
        Assert.That(site.Complaints, Is.Empty);
    }

    [Test]
    public async Task It_is_all_within_reach_of_the_keyboard_and_fits_a_phone()
    {
        await using var site = await DashboardSite.StartAsync(new Workspace().With("Echo").Configure("""[ { "name": "echo", "address": "127.0.0.1", "port": 0, "plugin": "Echo" } ]"""));
        var page = site.Page;
        await page.SetViewportSizeAsync(360, 740);
        await page.GotoAsync(site.Address);
        await page.Locator("[data-endpoint=echo] [data-action=pause]").WaitForAsync();
        Assert.That(await page.EvaluateAsync<int>("document.documentElement.scrollWidth"), Is.LessThanOrEqualTo(360));
        Assert.That(await page.EvaluateAsync<string[]>("[...document.querySelectorAll('button, input, select, a')].filter(control => !control.closest('template, dialog:not([open])') && !(control.textContent.trim() || control.getAttribute('aria-label') || control.labels?.length)).map(control => control.outerHTML)"), Is.Empty, "each has a name");
        await page.FocusAsync("[data-endpoint=echo] [data-action=pause]");
        await page.Keyboard.PressAsync("Enter");
        await page.Locator("dialog#change[open]").WaitForAsync();
        Assert.That(await page.EvaluateAsync<string>("document.activeElement.id"), Is.EqualTo("change-cancel"), "the harmless one has the focus");
        await page.Keyboard.PressAsync("Escape");
        await page.Locator("dialog#change").WaitForAsync(new LocatorWaitForOptions { State = WaitForSelectorState.Hidden });
        Assert.That(site.Complaints, Is.Empty);
    }

    private static async Task SayAsync(Client client, string version)
    {
        await client.SendAsync("?\n");
        Assert.That(await client.ReadLineAsync(), Is.EqualTo($"{version} ?"));
    }

    private static async Task TakePicturesAsync(IPage page, string folder)
    {
        foreach (var (name, scheme, width, height) in new[] { ("light", ColorScheme.Light, 1280, 1000), ("dark", ColorScheme.Dark, 1280, 1000), ("phone", ColorScheme.Light, 390, 844) })
        {
            await page.EmulateMediaAsync(new PageEmulateMediaOptions { ColorScheme = scheme });
            await page.SetViewportSizeAsync(width, height);
            await page.EvaluateAsync("scrollTo(0, 0)");

            // A folder of this machine is nobody else's business.
            await page.EvaluateAsync("folder => { for (let walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), text; (text = walk.nextNode());) { if (text.data.includes(folder)) { text.data = text.data.replaceAll(folder, '/srv/shop'); } } }", folder);
            var picture = await page.ScreenshotAsync(new PageScreenshotOptions { Path = Pictures is null ? null : Path.Combine(Pictures, $"dashboard-{name}.png") });
            Assert.That(picture, Has.Length.GreaterThan(10_000));
        }

        await page.SetViewportSizeAsync(1280, 900);
    }
}
