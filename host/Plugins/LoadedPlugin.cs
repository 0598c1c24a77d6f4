using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using PluginServer.Configuration;
using PluginServer.Diagnostics;

namespace PluginServer.Plugins;

/// <summary>All that is alive of one generation: its load context, its container and its started services.</summary>
[SuppressMessage("Design", "CA1001", Justification = "The log provider is the container's, and has nothing to dispose.")]
internal sealed class LoadedPlugin
{
    /// <summary>What a hosted service may take to start, and to stop.</summary>
    public static readonly TimeSpan ServiceTimeout = TimeSpan.FromSeconds(30);

    private const BindingFlags DeclaredHere = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    private readonly PluginLoadContext _context;
    private readonly PluginLoggerProvider _logs;
    private readonly PluginInspection _inspection;
    private readonly ServiceCollection _registrations;
    private readonly ServiceProvider _services;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly int _number;
    private readonly List<IHostedService> _started = [];
    private int _stopped;

    private LoadedPlugin(PluginLoadContext context, PluginInspection inspection, int number, PluginConfig config, (PluginState State, IConnectionGroups Groups) lasting, ILoggerFactory hostLog, TimeProvider time)
    {
        _context = context;
        _logs = new PluginLoggerProvider(hostLog, inspection.Build.Name, number, config.LogLevel);
        _inspection = inspection;
        _number = number;
        _time = time;
        _log = hostLog.CreateLogger(Log.Category);
        Assembly = context.LoadFromAssemblyPath(inspection.Build.MainAssembly);
        _registrations = Register(config.Settings, lasting.State, lasting.Groups);
        _services = _registrations.BuildServiceProvider(new ServiceProviderOptions { ValidateOnBuild = true, ValidateScopes = true });
    }

    public Assembly Assembly { get; }

    public StrayFaults Faults => _context.Faults;

    /// <summary>Where its log entries go.</summary>
    public PluginLoggerProvider Logs => _logs;

    public IServiceCollection Registrations => _registrations;

    public IServiceProvider Services => _services;

    public WeakReference ContextReference => new(_context, trackResurrection: true);

    /// <summary>A type of one of the framework assemblies that this context has a copy of, as "Namespace.Type, Assembly".</summary>
    public Type PrivateType(string name)
    {
        var parts = name.Split(", ");
        return _context.LoadFromAssemblyName(new AssemblyName(parts[1])).GetType(parts[0], throwOnError: true)!;
    }

    /// <summary>Loads a build that the inspector found fit and builds its container; starts nothing.</summary>
    /// <exception cref="PluginException">What the plugin's own code or registrations did not survive.</exception>
    public static LoadedPlugin Load(PluginInspection inspection, int number, PluginConfig config, (PluginState State, IConnectionGroups Groups) lasting, ILoggerFactory hostLog, TimeProvider time, Telemetry? telemetry)
    {
        var context = new PluginLoadContext(inspection.Build, number, hostLog.CreateLogger(Log.Category), telemetry);
        try
        {
            return CleanContext.Run(() => new LoadedPlugin(context, inspection, number, config, lasting, hostLog, time));
        }
        catch (Exception error)
        {
            context.Unload();
            throw new PluginException(inspection.PluginType is { } type
                ? $"plugin {inspection.Build.Name}: its services cannot be set up: {Cause(error)}; mend ConfigureServices of {type}"
                : $"plugin {inspection.Build.Name}: cannot be loaded: {Cause(error)}");
        }
    }

    /// <summary>Compiles the plugin's own methods, so that the first connections do not wait for it: collectible code is
    /// neither precompiled nor tiered. Runs none of them. A method that cannot be compiled is left to whoever calls it.</summary>
    public void Compile()
    {
        var methods = Assembly.GetTypes()
            .Where(type => !type.ContainsGenericParameters)
            .SelectMany(type => type.GetMethods(DeclaredHere).Cast<MethodBase>().Concat(type.GetConstructors(DeclaredHere & ~BindingFlags.Static)))
            .Where(method => !method.IsAbstract && !method.ContainsGenericParameters && (method.MethodImplementationFlags & (MethodImplAttributes.InternalCall | MethodImplAttributes.Runtime)) == 0 && (method.Attributes & MethodAttributes.PinvokeImpl) == 0);
        foreach (var method in methods)
        {
            try
            {
                RuntimeHelpers.PrepareMethod(method.MethodHandle);
            }
            catch (Exception error) when (error is not OutOfMemoryException)
            {
                // It would fail in the same way when called, and perhaps it never is.
            }
        }
    }

    /// <summary>Starts the hosted services in order; if one fails, those before it are stopped again.</summary>
    /// <exception cref="PluginException">A service failed to start, or took longer than <see cref="ServiceTimeout"/>.</exception>
    public async Task StartAsync()
    {
        var name = "a hosted service";
        try
        {
            foreach (var service in CleanContext.Run(() => _services.GetServices<IHostedService>().ToList()))
            {
                name = service.GetType().FullName!;
                using var deadline = new CancellationTokenSource(ServiceTimeout, _time);
                await CleanContext.Run(() => service.StartAsync(deadline.Token)).WaitAsync(ServiceTimeout, _time);
                _started.Add(service);
                Watch(service, name);
            }
        }
        catch (Exception error)
        {
            var problem = error is TimeoutException or OperationCanceledException
                ? $"{name} did not start within {ServiceTimeout.TotalSeconds:0} s"
                : $"{name} failed to start: {Cause(error)}";
            await StopAsync();
            throw new PluginException($"plugin {_inspection.Build.Name}: {problem}");
        }
    }

    /// <summary>Stops the started services in reverse order and disposes the container. Once; never throws.</summary>
    public async Task StopAsync()
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0)
        {
            return;
        }

        foreach (var service in Enumerable.Reverse(_started))
        {
            using var deadline = new CancellationTokenSource(ServiceTimeout, _time);
            await TryAsync(service.GetType().FullName!, () => service.StopAsync(deadline.Token));
        }

        _started.Clear();
        await TryAsync("the container", () => _services.DisposeAsync().AsTask());
    }

    /// <summary>Begins the unload. Once, after <see cref="StopAsync"/>.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public void Unload() => _context.Unload();

    /// <summary>The innermost message of what plugin code threw, as text: the exception itself would keep the plugin alive.</summary>
    internal static string Cause(Exception error) => error switch
    {
        AggregateException many => string.Join("; ", many.InnerExceptions.Select(Cause)),
        TargetInvocationException { InnerException: { } inner } => Cause(inner),
        TypeInitializationException { InnerException: { } inner } initializer => $"static constructor of {initializer.TypeName}: {Cause(inner)}",
        _ => $"{error.GetType().Name}: {FaultText.MessageOf(error).ReplaceLineEndings(" ")}",
    };

    private ServiceCollection Register(ConfigSettings settings, PluginState state, IConnectionGroups groups)
    {
        var services = new ServiceCollection();
        services.AddSingleton(_time);
        services.AddSingleton(state);
        services.AddSingleton(groups);
        services.AddOptions();
        services.AddMetrics();
        services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Trace).AddProvider(_logs));
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(settings.Values).Build();
        services.AddSingleton(configuration);
        if (_inspection.PluginType is { } type)
        {
            var plugin = (IPlugin)Activator.CreateInstance(Assembly.GetType(type, throwOnError: true)!)!;
            plugin.ConfigureServices(services, configuration);
        }

        return services;
    }

    private async Task TryAsync(string what, Func<Task> stop)
    {
        try
        {
            await CleanContext.Run(stop).WaitAsync(ServiceTimeout, _time);
        }
        catch (Exception error)
        {
            Log.ServiceStopFailed(_log, _inspection.Build.Name, _number, what, error is TimeoutException ? $"not within {ServiceTimeout.TotalSeconds:0} s" : Cause(error));
        }
    }

    private void Watch(IHostedService service, string name)
    {
        // A background service that fails later fails alone: the handlers beside it go on.
        (service as BackgroundService)?.ExecuteTask?.ContinueWith(
            task => Log.BackgroundServiceFailed(_log, _inspection.Build.Name, _number, name, Cause(task.Exception!)),
            CancellationToken.None,
            TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously,
            TaskScheduler.Default);
    }
}
