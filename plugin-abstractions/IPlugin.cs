using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace PluginServer;

/// <summary>Optional, at most one per plugin: registers the services that the plugin's handlers ask for.</summary>
/// <remarks>
/// The implementation needs a public parameterless constructor. Each loaded build of a plugin has one container, shared by
/// all endpoints it serves. What has to start and stop is registered as an
/// <see cref="Microsoft.Extensions.Hosting.IHostedService"/>: it is started before the build serves its first connection and
/// stopped after its last one, each within 30 s. Injectable without registration: <c>ILogger&lt;T&gt;</c>,
/// <c>IMeterFactory</c>, <see cref="TimeProvider"/> and <see cref="IConfiguration"/> with the plugin's own settings.
/// </remarks>
public interface IPlugin
{
    /// <summary>Registers services. Called once per loaded build, also by the <c>check</c> command: it must not open
    /// sockets or files or start anything.</summary>
    /// <param name="services">The container to be; the host builds and disposes it.</param>
    /// <param name="settings">The plugin's own settings: <c>plugins.&lt;Name&gt;.settings</c> of plugins.json; empty when there are none.</param>
    void ConfigureServices(IServiceCollection services, IConfiguration settings);
}
