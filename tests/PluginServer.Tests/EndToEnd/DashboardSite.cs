using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Playwright;
using PluginServer.Administration;
using PluginServer.Configuration;
using PluginServer.Tests.Support;

namespace PluginServer.Tests.EndToEnd;

/// <summary>A real host, its administration endpoint, and Debian's browser in front of it.</summary>
internal sealed class DashboardSite : IAsyncDisposable
{
    /// <summary>What the page says that it may say: the browser itself reports each answer of 401.</summary>
    private static readonly Regex Expected = new("status of 401");
    private readonly List<string> _complaints = [];
    private readonly IPlaywright _playwright;
    private readonly IBrowser _browser;
    private readonly AdminEndpoint _admin;

    private DashboardSite(TestServer server, AdminEndpoint admin, IPlaywright playwright, IBrowser browser, IPage page)
    {
        Server = server;
        _admin = admin;
        _playwright = playwright;
        _browser = browser;
        Page = page;
        page.Console += (_, message) => Note(message.Type is "error" or "warning" ? $"{message.Type}: {message.Text}" : null);
        page.PageError += (_, error) => Note(error);
        page.RequestFailed += (_, request) => Note(request.Url.StartsWith(Address, StringComparison.Ordinal) ? null : $"a request to elsewhere: {request.Url}");
    }

    public TestServer Server { get; }

    public IPage Page { get; }

    public string Address => $"http://{_admin.Address}/";

    public string Token => File.ReadAllText(_admin.TokenFile).Trim();

    /// <summary>Errors and warnings in the browser's console, and requests to other origins.</summary>
    public IReadOnlyList<string> Complaints
    {
        get
        {
            lock (_complaints)
            {
                return [.. _complaints];
            }
        }
    }

    /// <summary>Null where there is a browser, otherwise what to tell whoever looks at the skipped test.</summary>
    public static Task<string?> MissingAsync() => Tools.MissingAsync("chromium");

    public static async Task<DashboardSite> StartAsync(Workspace workspace)
    {
        // Without a watcher: what changes was clicked.
        var server = await TestServer.StartAsync(workspace);
        var config = ConfigReader.Read(workspace.ConfigFile).Config!;
        var admin = await AdminEndpoint.StartAsync(config, AdminCalls.Of(server.Server, server.Reloader), NullLoggerFactory.Instance).Within();
        var playwright = await Playwright.CreateAsync();
        var path = (await Tools.RunAsync("sh", "-c", "command -v chromium")).Output.Trim();
        var browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = path, Args = ["--no-sandbox"] });
        var page = await browser.NewPageAsync(new BrowserNewPageOptions { ViewportSize = new ViewportSize { Width = 1280, Height = 900 } });
        page.SetDefaultTimeout((float)Deadline.Length.TotalMilliseconds);
        return new DashboardSite(server, admin, playwright, browser, page);
    }

    /// <summary>Confirms the change that a dialog asks about, and closes it when it is done.</summary>
    public async Task ConfirmAsync(string result)
    {
        if (await Page.Locator("#change-token").IsVisibleAsync())
        {
            await Page.FillAsync("#change-token", Token);
        }

        await Page.ClickAsync("#change-confirm");
        await Page.Locator("#change-result").Filter(new LocatorFilterOptions { HasText = result }).WaitForAsync();
        await Page.ClickAsync("#change-cancel");
        await Page.Locator("dialog#change").WaitForAsync(new LocatorWaitForOptions { State = WaitForSelectorState.Hidden });
    }

    public async ValueTask DisposeAsync()
    {
        await _browser.DisposeAsync();
        _playwright.Dispose();
        await _admin.DisposeAsync();
        await Server.DisposeAsync();
    }

    private void Note(string? complaint)
    {
        if (complaint is not null && !Expected.IsMatch(complaint))
        {
            lock (_complaints)
            {
                _complaints.Add(complaint);
            }
        }
    }
}
